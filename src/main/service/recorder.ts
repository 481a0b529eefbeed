import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RunConfig } from '../../shared/config.ts';
import type { Evaluation } from '../../shared/comparison.ts';
import type { StepMetrics } from '../../shared/metrics.ts';
import type { Store } from '../store/database.ts';

/** Metrics of so many steps are committed together: one disk flush a step would be felt on small models. */
const stepsPerCommit = 10;

export interface RunFacts {
  readonly comparisonId?: number;
  readonly config: RunConfig;
  readonly baseHash: string;
  readonly dataHash: string;
  readonly adapterStartHash: string;
  readonly orderHash: string;
}

/** Keeps a run's record in the database while it goes. */
export class RunRecorder {
  readonly #store: Store;
  readonly #facts: RunFacts;
  readonly id: number;
  #pending: StepMetrics[] = [];

  private constructor(store: Store, facts: RunFacts, id: number) {
    this.#store = store;
    this.#facts = facts;
    this.id = id;
  }

  static start(store: Store, facts: RunFacts): RunRecorder {
    const { config } = facts;
    const run = store.runs.add({
      ...(facts.comparisonId === undefined ? {} : { comparisonId: facts.comparisonId }),
      loss: config.loss,
      seed: config.seed,
      orderSeed: config.seed,
      learningRate: config.learningRate,
      beta: config.beta,
      config,
      baseHash: facts.baseHash,
      dataHash: facts.dataHash,
    });
    store.runs.start(run.id, { adapterStartHash: facts.adapterStartHash, orderHash: facts.orderHash });
    return new RunRecorder(store, facts, run.id);
  }

  step(metrics: StepMetrics): void {
    this.#pending.push(metrics);
    if (this.#pending.length >= stepsPerCommit) this.#flush();
  }

  #flush(): void {
    this.#store.metrics.append(this.id, this.#pending);
    this.#pending = [];
  }

  evaluation(result: Evaluation, step: number): void {
    const { baseHash, dataHash } = this.#facts;
    this.#store.evaluations.add({ runId: this.id, baseHash, dataHash, step, result });
  }

  /** @param folder where the adapter or model was written; absent where none was kept */
  finish(step: number, folder?: string): void {
    this.#flush();
    if (folder !== undefined) {
      const path = ['adapter_model.safetensors', 'model.safetensors']
        .map((name) => join(folder, name))
        .find(existsSync);
      if (path !== undefined) {
        const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
        this.#store.adapters.add({ runId: this.id, step, path, sha256, size: statSync(path).size });
      }
    }
    this.#store.runs.finish(this.id);
  }

  fail(error: unknown, signal?: AbortSignal): void {
    this.#flush();
    if (signal?.aborted) this.#store.runs.interrupt(this.id);
    else this.#store.runs.fail(this.id, error instanceof Error ? error.message : String(error));
  }
}
