import { rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { DoctorLeftover } from '../../../shared/contract.ts';
import { isRunning } from '../../formats/import-model.ts';
import type { Store } from '../../store/database.ts';
import { isAlive } from '../../store/process-identity.ts';
import { isInUse, ownFolderKinds } from '../own-folder.ts';
import { extentOf, namesIn, type Extent } from './files.ts';

/** Where things lie in a home folder. */
export interface HomePlaces {
  readonly database: string;
  readonly modelsFolder: string;
  readonly checkpointFolder: string;
  readonly logFolder: string;
}

/** A leftover, and what it looked like when it was found. */
export interface Found extends DoctorLeftover {
  readonly extent: Extent;
  /** Id of what is left of a dataset whose import or removal never ended. */
  readonly dataset?: number;
}

/** What is younger may be on its way to its record. */
const quietMilliseconds = 60_000;
/** A model is recorded only when it was read whole once more. */
const quietModelMilliseconds = 600_000;

const temporary = /^\..+\.partial$|^\.writable-[0-9A-Za-z]+$/;
const conversion = /^\.[0-9a-f]{16}\.(\d+)\.[0-9a-f]+\.partial$/;

/**
 * Lists what no record needs.
 * @param store undefined where the records cannot be read: then only temporary files and backups are listed
 * @param now milliseconds since 1970
 */
export function findLeftovers(places: HomePlaces, store: Store | undefined, now = Date.now()): Found[] {
  const { database, modelsFolder, checkpointFolder, logFolder } = places;
  const found: Found[] = [];
  const add = (
    kind: DoctorLeftover['kind'],
    path: string,
    why: string,
    keep?: string,
    quiet = quietMilliseconds,
  ) => {
    const extent = extentOf(path);
    if (extent === undefined) return;
    const young = now - extent.changedAt < quiet ? 'it was written a moment ago' : undefined;
    const reason = keep ?? young;
    found.push({
      kind,
      path,
      bytes: extent.bytes,
      why,
      extent,
      ...(reason === undefined ? {} : { keep: reason }),
    });
  };
  const home = dirname(database);
  const checkpointFolders = namesIn(checkpointFolder)
    .filter((name) => /^[0-9a-f]{2}$/.test(name))
    .map((name) => join(checkpointFolder, name));
  for (const folder of [home, modelsFolder, checkpointFolder, logFolder, ...checkpointFolders]) {
    for (const name of namesIn(folder)) {
      if (!temporary.test(name)) continue;
      const owner = conversion.exec(name)?.[1];
      const keep =
        owner !== undefined && isRunning(Number(owner)) ? `process ${owner} is at work on it` : undefined;
      add('temporary', join(folder, name), 'a file that was never finished', keep);
    }
  }
  add('temporary', `${database}.backup.temporary`, 'a copy of the database that was never finished');
  const isBackup = new RegExp(`^${escaped(basename(database))}\\.version-\\d+\\.(.+)\\.backup$`);
  const backups = namesIn(home).filter((name) => isBackup.test(name));
  backups.sort((a, b) => (isBackup.exec(a)![1]! < isBackup.exec(b)![1]! ? -1 : 1));
  // The last one is what a person goes back to.
  for (const name of backups.slice(0, -1))
    add('backup', join(home, name), 'a copy of the database from before an older update');
  for (const kind of ownFolderKinds) {
    for (const name of namesIn(join(home, kind))) {
      const inUse = isInUse(name);
      if (inUse === undefined) continue;
      const why =
        kind === 'uploads' ? 'files that were uploaded and not used' : 'files that were to be taken away';
      add('temporary', join(home, kind, name), why, inUse ? 'a process is at work with it' : undefined);
    }
  }
  if (store === undefined) return found;

  const busy = busyJob(store);
  const recorded = new Set(store.checkpoints.list().map(({ sha256 }) => sha256));
  for (const folder of checkpointFolders) {
    for (const name of namesIn(folder)) {
      const sha256 = /^([0-9a-f]{64})\.safetensors$/.exec(name)?.[1];
      if (sha256 === undefined || recorded.has(sha256)) continue;
      add('checkpoint', join(folder, name), 'a checkpoint without a record', busy);
    }
  }
  for (const name of namesIn(modelsFolder)) {
    const path = join(modelsFolder, name);
    if (!/^[0-9a-f]{16}$/.test(name) || isModelUsed(store, path)) continue;
    add('model', path, 'a converted model without a record', undefined, quietModelMilliseconds);
  }
  for (const { id, what, source, rows } of store.datasets.abandoned()) {
    const why = `${rows} rows in the database of ${what === 'import' ? 'an import' : 'a removal'} that was interrupted`;
    found.push({
      kind: 'import',
      path: source,
      bytes: 0,
      why,
      extent: { bytes: 0, changedAt: 0 },
      dataset: id,
    });
  }
  const used = usedResults(store);
  for (const name of namesIn(join(home, 'results'))) {
    if (!/^[0-9a-f]{16}$/.test(name) || used.has(name)) continue;
    add('result', join(home, 'results', name), 'adapter and metrics of a removed run');
  }
  const jobs = new Set(store.jobs.list().map(({ id }) => id));
  for (const name of namesIn(logFolder)) {
    const job = /^job-(\d+)\.log(\.\d+)?$/.exec(name)?.[1];
    if (job !== undefined && !jobs.has(Number(job)))
      add('log', join(logFolder, name), 'the log of a removed job');
  }
  return found;
}

/**
 * Deletes what may go, unless it has changed or has got a record since it was found. Holds the write lock meanwhile, so
 * that nobody begins a job, records a checkpoint or migrates.
 * @returns bytes freed
 */
export function removeLeftovers(store: Store, leftovers: readonly Found[]): number {
  // In transactions of its own: others must not wait for a million rows.
  const abandoned = new Set(store.datasets.abandoned().map(({ id }) => id));
  for (const { dataset } of leftovers)
    if (dataset !== undefined && abandoned.has(dataset)) store.datasets.discard(dataset);
  return store.transaction(() => {
    let freed = 0;
    for (const { kind, path, keep, extent } of leftovers) {
      if (kind === 'import') continue;
      const now = extentOf(path);
      if (keep !== undefined || now === undefined) continue;
      if (now.bytes !== extent.bytes || now.changedAt !== extent.changedAt) continue;
      if (kind === 'checkpoint') {
        if (busyJob(store) !== undefined || store.checkpoints.isUsed(basename(path, '.safetensors')))
          continue;
      }
      if (kind === 'model' && isModelUsed(store, path)) continue;
      if (kind === 'result' && usedResults(store).has(basename(path))) continue;
      rmSync(path, { recursive: true, force: true });
      freed += now.bytes;
    }
    return freed;
  });
}

/** A checkpoint is written before it is recorded: while a job is at work, one without a record may be on its way. */
function busyJob(store: Store): string | undefined {
  const job = store.jobs.active().find(({ owner }) => owner !== null && isAlive(owner));
  return job && `job ${job.id} is at work and may be about to record it`;
}

function isModelUsed(store: Store, path: string): boolean {
  return store.models.list().some(({ folder, weightsFolder }) => folder === path || weightsFolder === path);
}

/**
 * Random names of the folders in which jobs were told to put adapter and metrics. Names alone: a home folder may be known
 * by several paths.
 */
function usedResults(store: Store): ReadonlySet<string> {
  const places = store.jobs
    .list()
    .map(({ request }) => (request as { absolute?: { metrics?: string } }).absolute?.metrics);
  return new Set(places.flatMap((metrics) => (metrics === undefined ? [] : [basename(dirname(metrics))])));
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
