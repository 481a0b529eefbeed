import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sha256OfFile } from '../formats/files.ts';
import type { Checkpoint } from '../store/checkpoints.ts';
import type { Store } from '../store/database.ts';
import type { Job } from '../store/jobs.ts';
import type { StepMetrics } from '../../shared/metrics.ts';
import { pairStep, type PairStep } from '../../shared/pair-telemetry.ts';
import { checkpointPath } from './checkpoint.ts';
import type { JobFacts, Sources, WorkerMessage } from './job.ts';

export interface Retention {
  /** How many of a run's last checkpoints stay while it is at work; of a finished run, the last one stays. */
  readonly last: number;
  /** The metric by which the best one stays as well; those whose name ends in `loss` are best low, others high. */
  readonly bestBy?: string | undefined;
  /** Bytes that c and r of a run's pairs may take, those trained on and those held out each; default: any number. */
  readonly pairBytes?: number | undefined;
  /** Bytes that kept parts of evaluations may take, of all jobs together; default: none are kept. */
  readonly evaluationBytes?: number | undefined;
}

/** What a job's record says of what it reads, as far as that is known. */
export interface JobSources {
  readonly hashes?: Sources;
  readonly facts?: JobFacts;
  /** Id of the evaluation of the base. */
  readonly baseEvaluation?: number;
}

/** Writes what a training process tells into the database, in its order. */
export class JobRecorder {
  readonly #store: Store;
  readonly #job: Job;
  readonly #checkpointFolder: string;
  readonly #retention: Retention;
  #steps: StepMetrics[] = [];
  #pairs: PairStep[] = [];
  #runId: number | undefined;
  #since = performance.now();
  /** The last step told of. */
  lastStep = 0;

  constructor(store: Store, job: Job, checkpointFolder: string, retention: Retention) {
    this.#store = store;
    this.#job = job;
    this.#checkpointFolder = checkpointFolder;
    this.#retention = retention;
  }

  /** The run under way. */
  get runId(): number | undefined {
    return this.#runId;
  }

  /** @throws InputError where the database cannot be written */
  apply(message: WorkerMessage): void {
    const store = this.#store;
    switch (message.kind) {
      case 'step':
        this.#steps.push(message.metrics);
        if (message.pairs) this.#pairs.push(message.pairs);
        this.lastStep = message.metrics.step;
        break;
      case 'sources':
        this.#keepSources({ hashes: message.sources });
        break;
      case 'prepared':
        this.#keepSources({ facts: message.facts });
        break;
      case 'plan':
        store.jobs.setPlan(this.#job.id, message.plan);
        break;
      case 'reference':
        store.referenceLogProbs.putMany(message.context, message.scores);
        break;
      case 'evaluation-part': {
        const { key, part, result } = message;
        store.evaluationCache.put(key, part, result, this.#retention.evaluationBytes ?? 0);
        break;
      }
      case 'recalled':
        store.evaluationCache.touch(message.key);
        break;
      case 'base-evaluation':
        this.#keepBaseEvaluation(message);
        break;
      case 'run-start': {
        const { runId, adapterStartHash, orderHash, totalSteps, fromStep } = message;
        this.#runId = runId;
        this.#since = performance.now();
        this.lastStep = fromStep;
        store.runs.start(runId, { adapterStartHash, orderHash, totalSteps });
        break;
      }
      case 'checkpoint': {
        const { runId, step, sha256, size } = message;
        store.transaction(() => {
          this.flush();
          store.checkpoints.add({ runId, step, sha256, size });
        });
        this.#prune(runId, this.#retention.last);
        break;
      }
      case 'evaluation': {
        this.#keepEvaluation(message);
        break;
      }
      case 'run-end':
        this.#endRun(message);
        break;
      default:
    }
  }

  /** Writes what steps have gathered. */
  flush(): void {
    const runId = this.#runId;
    if (runId === undefined || this.#steps.length === 0) return;
    const now = performance.now();
    const steps = this.#steps;
    this.#store.transaction(() => {
      this.#store.metrics.append(runId, steps);
      this.#store.pairTelemetry.append(runId, 'train', this.#pairs, this.#retention.pairBytes);
      this.#store.runs.advance(runId, steps.at(-1)!.step, (now - this.#since) / 1000);
    });
    this.#steps = [];
    this.#pairs = [];
    this.#since = now;
  }

  /** In one transaction with the steps before it: where an evaluation is on record, so is all that led to it. */
  #keepEvaluation({
    runId,
    step,
    evaluation,
    cached,
    metrics,
    pairs = pairStep(step, evaluation?.perPair ?? []),
  }: WorkerMessage & { kind: 'evaluation' }): void {
    const store = this.#store;
    store.transaction(() => {
      this.flush();
      if (metrics) store.metrics.append(runId, [{ ...metrics, step }]);
      if (pairs) store.pairTelemetry.append(runId, 'eval', [pairs], this.#retention.pairBytes);
      if (!evaluation) return;
      const { baseHash, dataHash } = store.runs.get(runId)!;
      store.evaluations.put({ runId, baseHash, dataHash, step, result: evaluation, cached });
    });
  }

  #keepBaseEvaluation({ evaluation, cached }: WorkerMessage & { kind: 'base-evaluation' }): void {
    const store = this.#store;
    store.transaction(() => {
      const { baseHash, dataHash } = store.runs.list({ jobId: this.#job.id })[0]!;
      const base = { runId: null, step: 0, result: evaluation, cached };
      const added = store.evaluations.add({ ...base, baseHash, dataHash });
      this.#keepSources({ baseEvaluation: added.id });
    });
  }

  #keepSources(part: Partial<JobSources>): void {
    const { jobs } = this.#store;
    this.#store.transaction(() => {
      const { sources } = jobs.get(this.#job.id)!;
      jobs.setSources(this.#job.id, { ...(sources as Partial<JobSources> | null), ...part });
    });
  }

  #endRun({ runId, step, diverged, folder }: WorkerMessage & { kind: 'run-end' }): void {
    const store = this.#store;
    const file = ['adapter_model.safetensors', 'model.safetensors']
      .map((name) => join(folder ?? '', name))
      .find((path) => folder !== undefined && existsSync(path));
    const adapter =
      file === undefined
        ? undefined
        : { runId, step, path: file, sha256: sha256OfFile(file), size: statSync(file).size };
    store.transaction(() => {
      this.flush();
      store.runs.advance(runId, step, (performance.now() - this.#since) / 1000);
      if (adapter) store.adapters.add(adapter);
      if (diverged) store.runs.diverge(runId, diverged.step, diverged.problem);
      else store.runs.finish(runId);
    });
    this.#runId = undefined;
    this.#prune(runId, 1);
  }

  /** Forgets checkpoints beyond the last few and the best, then removes their files. */
  #prune(runId: number, last: number): void {
    const all = this.#store.checkpoints.listOfRun(runId);
    const keep = new Set(all.slice(-last));
    const best = this.#best(runId, all);
    if (best) keep.add(best);
    removeCheckpoints(
      this.#store,
      this.#checkpointFolder,
      all.filter((each) => !keep.has(each)),
    );
  }

  #best(runId: number, all: readonly Checkpoint[]): Checkpoint | undefined {
    const { bestBy } = this.#retention;
    if (bestBy === undefined) return undefined;
    const { steps, values } = this.#store.metrics.series(runId, bestBy);
    const valueAt = new Map(steps.map((step, place) => [step, values[place]!]));
    const sign = bestBy.endsWith('loss') ? -1 : 1;
    const scored = all.flatMap((checkpoint) => {
      const value = valueAt.get(checkpoint.step);
      return value === undefined || Number.isNaN(value) ? [] : [{ checkpoint, value: sign * value }];
    });
    return scored.reduce<(typeof scored)[number] | undefined>(
      (best, each) => (best === undefined || each.value > best.value ? each : best),
      undefined,
    )?.checkpoint;
  }
}

/** Forgets checkpoints, then removes the files that no other record names. */
export function removeCheckpoints(store: Store, folder: string, checkpoints: readonly Checkpoint[]): void {
  store.transaction(() => checkpoints.forEach(({ id }) => store.checkpoints.remove(id)));
  for (const { sha256 } of checkpoints) {
    if (!store.checkpoints.isUsed(sha256)) rmSync(checkpointPath(folder, sha256), { force: true });
  }
}
