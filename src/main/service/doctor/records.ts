import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CallOptions, DoctorFinding } from '../../../shared/contract.ts';
import { InputError } from '../../../shared/errors.ts';
import { hashModel } from '../../formats/import-model.ts';
import { readSafetensorsHeader } from '../../formats/safetensors.ts';
import type { Store } from '../../store/database.ts';
import type { Model } from '../../store/models.ts';
import { isAlive } from '../../store/process-identity.ts';
import { checkpointPath } from '../../training/checkpoint.ts';
import { supportedArchitectures } from '../../training/model.ts';
import { hashGently } from './files.ts';

/** Compares what is recorded with the files it speaks of. */
export class RecordCheck {
  readonly findings: DoctorFinding[] = [];
  readonly checked = { models: 0, checkpoints: 0, adapters: 0, bytes: 0 };
  readonly #store: Store;
  readonly #call: CallOptions;

  constructor(store: Store, call: CallOptions) {
    this.#store = store;
    this.#call = call;
  }

  #add(
    severity: DoctorFinding['severity'],
    kind: DoctorFinding['kind'],
    name: string,
    message: string,
    path?: string,
  ): void {
    this.findings.push({ severity, kind, name, message, ...(path === undefined ? {} : { path }) });
  }

  #progress(label: string): (bytes: number) => void {
    return (bytes) => {
      this.checked.bytes += bytes;
      this.#call.onProgress?.({ kind: 'progress', label, done: this.checked.bytes, unit: 'B' });
    };
  }

  /** Jobs that no process is at work on although their record says so. */
  jobs(): void {
    for (const { id, status, owner } of this.#store.jobs.active()) {
      if (owner !== null && isAlive(owner)) continue;
      const message = `is recorded as ${status}, but its process is gone; the next start marks it as interrupted`;
      this.#add('warning', 'job', `job ${id}`, message);
    }
  }

  /** c and r of pairs that are not what was written. */
  pairs(): void {
    for (const { runId, side, firstStep } of this.#store.pairTelemetry.damaged()) {
      const which = side === 'train' ? 'training' : 'held-out';
      const message = `c and r of ${which} pairs from step ${firstStep} on are damaged; the run itself is not`;
      this.#add('warning', 'pairs', `run ${runId}`, message);
    }
  }

  /** Kept parts of evaluations that are not what was written. */
  evaluationCache(): void {
    for (const { key, part } of this.#store.evaluationCache.damaged()) {
      const message = `a kept part of an evaluation (${part}) is damaged; it is computed again when it is needed`;
      this.#add('warning', 'database', `evaluation ${key.slice(0, 12)}`, message);
    }
  }

  async models(): Promise<void> {
    for (const model of this.#store.models.list()) {
      this.#call.signal?.throwIfAborted();
      this.checked.models += 1;
      try {
        await this.#model(model);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        this.#add('broken', 'model', model.name, error.message, model.weightsFolder);
      }
    }
  }

  async #model(model: Model): Promise<void> {
    const { name, hash, weightsFolder, source } = model;
    const wrong = (message: string): void => this.#add('broken', 'model', name, message, weightsFolder);
    if (!existsSync(weightsFolder)) return wrong('its folder is gone');
    if (weightsFolder === source) {
      const now = await hashModel(source, {
        supported: supportedArchitectures,
        onBytes: (bytes) => {
          this.#call.signal?.throwIfAborted();
          this.#progress('checking models')(bytes);
        },
      });
      if (now !== hash) wrong('its files have changed since it was added');
      return;
    }
    const file = join(weightsFolder, 'model.safetensors');
    // Throws where it is gone or was cut off.
    if (readSafetensorsHeader(file).metadata['source_hash'] !== hash)
      return wrong('its converted weights are those of another model');
    for (const needed of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
      if (!existsSync(join(weightsFolder, needed))) return wrong(`${needed} is gone`);
    const kept = this.#store.modelFiles.contentOf(file);
    if (kept === undefined) {
      const message = 'was converted by an earlier version, which kept no hash; its header is whole';
      return this.#add('warning', 'model', name, message, weightsFolder);
    }
    if ((await hashGently(file, this.#progress('checking models'), this.#call.signal)) !== kept)
      wrong('its converted weights are damaged; add it again');
  }

  async checkpoints(folder: string): Promise<void> {
    // Several records may name one file, as those of forks do.
    const results = new Map<string, string | undefined>();
    for (const { runId, step, sha256, size } of this.#store.checkpoints.list()) {
      this.checked.checkpoints += 1;
      const path = checkpointPath(folder, sha256);
      if (!results.has(sha256)) results.set(sha256, await this.#file(path, sha256, size));
      const problem = results.get(sha256);
      // Retention may have removed it since the list was read.
      if (
        problem !== undefined &&
        this.#store.checkpoints.listOfRun(runId).some((now) => now.sha256 === sha256)
      )
        this.#add('broken', 'checkpoint', `run ${runId}, step ${step}`, problem, path);
    }
  }

  /** A later run may have written over an earlier one's adapter: only the last record of a path speaks of its file. */
  async adapters(): Promise<void> {
    const last = new Map(this.#store.adapters.list().map((adapter) => [adapter.path, adapter]));
    for (const { runId, step, path, sha256, size } of last.values()) {
      this.checked.adapters += 1;
      const problem = await this.#file(path, sha256, size);
      // It lies where the person wanted it, and is theirs to move.
      const severity = existsSync(path) ? 'broken' : 'warning';
      if (problem !== undefined) this.#add(severity, 'adapter', `run ${runId}, step ${step}`, problem, path);
    }
  }

  /** What is wrong with a file whose hash and size are known. */
  async #file(path: string, sha256: string, size: number): Promise<string | undefined> {
    if (!existsSync(path)) return 'its file is gone';
    const now = statSync(path).size;
    if (now !== size) return `its file has ${now} bytes, not ${size}`;
    const hash = await hashGently(path, this.#progress('checking files'), this.#call.signal);
    return hash === sha256 ? undefined : 'its file is damaged: the content is not what was written';
  }
}
