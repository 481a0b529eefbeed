import { Adapters } from './adapters.ts';
import { Changes } from './changes.ts';
import { Checkpoints } from './checkpoints.ts';
import { ComparisonList } from './comparison-list.ts';
import { Comparisons } from './comparisons.ts';
import { Connection } from './connection.ts';
import { DatasetChanges } from './dataset-changes.ts';
import { DatasetRows } from './dataset-rows.ts';
import { DatasetSearch } from './dataset-search.ts';
import { Datasets } from './datasets.ts';
import { EvaluationCache } from './evaluation-cache.ts';
import { Evaluations } from './evaluations.ts';
import { Jobs } from './jobs.ts';
import { Judgings } from './judgings.ts';
import { Metrics } from './metrics.ts';
import { migrate, type Migration } from './migrate.ts';
import { migrations as allMigrations } from './migrations/index.ts';
import { ModelFiles } from './model-files.ts';
import { Models } from './models.ts';
import { ReferenceLogProbsCache } from './reference-log-probs.ts';
import { PairTelemetry } from './pair-telemetry.ts';
import { Projects } from './projects.ts';
import { RunList } from './run-list.ts';
import { Runs } from './runs.ts';
import { Settings } from './settings.ts';

/** Everything a person entered or the machine computed. One repository per noun; all methods are synchronous. */
export interface Store {
  readonly file: string;
  readonly readOnly: boolean;
  readonly models: Models;
  readonly datasets: Datasets;
  readonly datasetRows: DatasetRows;
  readonly datasetChanges: DatasetChanges;
  readonly datasetSearch: DatasetSearch;
  readonly referenceLogProbs: ReferenceLogProbsCache;
  readonly comparisons: Comparisons;
  readonly comparisonList: ComparisonList;
  readonly jobs: Jobs;
  readonly runs: Runs;
  readonly checkpoints: Checkpoints;
  readonly metrics: Metrics;
  readonly pairTelemetry: PairTelemetry;
  readonly evaluations: Evaluations;
  readonly evaluationCache: EvaluationCache;
  readonly adapters: Adapters;
  readonly modelFiles: ModelFiles;
  readonly settings: Settings;
  readonly projects: Projects;
  readonly judgings: Judgings;
  readonly runList: RunList;
  readonly changes: Changes;
  /** Makes several writes one: all of them are kept, or none where `work` throws. `work` must not be async. */
  transaction<Result>(work: () => Result): Result;
  /** Moves the write-ahead log into the database and closes it. A second call does nothing. */
  close(): void;
}

export interface StoreOptions {
  /** The schema's history; another than the product's own is for tests. */
  readonly migrations?: readonly Migration[];
  /** Milliseconds a write waits for another process before it gives up. */
  readonly busyTimeout?: number;
  /** Opens an existing database for reading only, as training processes do. */
  readonly readOnly?: boolean;
}

/**
 * Opens the database, creating it or bringing it to this version (with a copy beside it before each migration).
 * Several processes may have it open; writers wait for each other.
 * @param file path of the database; its folder is created
 * @throws InputError where the file is not ours, damaged, not writable or of a newer version
 */
export function openStore(file: string, options: StoreOptions = {}): Store {
  const { migrations = allMigrations, busyTimeout = 15_000, readOnly = false } = options;
  const connection = new Connection(file, busyTimeout, readOnly);
  try {
    if (!readOnly) migrate(connection, migrations);
    return {
      file: connection.file,
      readOnly,
      models: new Models(connection),
      datasets: new Datasets(connection),
      datasetRows: new DatasetRows(connection),
      datasetChanges: new DatasetChanges(connection),
      datasetSearch: new DatasetSearch(connection),
      referenceLogProbs: new ReferenceLogProbsCache(connection),
      comparisons: new Comparisons(connection),
      comparisonList: new ComparisonList(connection),
      jobs: new Jobs(connection),
      runs: new Runs(connection),
      checkpoints: new Checkpoints(connection),
      metrics: new Metrics(connection),
      pairTelemetry: new PairTelemetry(connection),
      evaluations: new Evaluations(connection),
      evaluationCache: new EvaluationCache(connection),
      adapters: new Adapters(connection),
      modelFiles: new ModelFiles(connection),
      settings: new Settings(connection),
      projects: new Projects(connection),
      judgings: new Judgings(connection),
      runList: new RunList(connection),
      changes: new Changes(connection),
      transaction: (work) => connection.write(work),
      close: () => connection.close(),
    };
  } catch (error) {
    connection.close();
    throw error;
  }
}
