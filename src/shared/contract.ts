/**
 * What the program does for a person, as plain JSON requests and results: the command line and the desktop call it the
 * same way. Lengths are in tokens, times in seconds, sizes in bytes, log-probs and log-ratios in nats. Numbers that do
 * not apply are absent.
 *
 * Every method rejects with `InputError` for what a person can mend. On `signal` it ends the step under way, yields to
 * the event loop between steps so that the signal can arrive, removes what is half-written and rejects with
 * `signal.reason`.
 */
import type { RunConfig, SharedSettings } from './config.ts';
import type { ComparisonResult, Evaluation, SftFirst } from './comparison.ts';
import type {
  ComparisonDetails,
  ComparisonRequest,
  ListComparisonsRequest,
  ListComparisonsResult,
} from './contract/comparisons.ts';
import type {
  CompareAgainRequest,
  CompareAgainResult,
  ReadReportRequest,
  ReadReportResult,
  TraceRequest,
  TraceResult,
} from './contract/reports.ts';
import type {
  ExportRunRequest,
  ExportRunResult,
  ForkRequest,
  ListRunsRequest,
  ListRunsResult,
  LogRequest,
  LogResult,
  MoveJobRequest,
  PairStepsRequest,
  PairStepsResult,
  PairTelemetryRequest,
  PairTelemetryResult,
  QueueResult,
  RemoveRunRequest,
  RemoveRunResult,
  ReportRequest,
  ReportResult,
  ResumeRequest,
  RunDetails,
  RunEvaluationsResult,
  RunMetricsRequest,
  RunMetricsResult,
  RunRequest,
  RunsResult,
  SeriesRequest,
  SeriesResult,
} from './contract/runs.ts';
import type {
  GeneratedPiece,
  GenerateTextRequest,
  GenerateTextResult,
  ScoreTextRequest,
  ScoreTextResult,
} from './contract/playground.ts';
import type {
  ListProjectsResult,
  ProjectRequest,
  ProjectResult,
  RenameProjectRequest,
  ResetSettingRequest,
  SetSettingRequest,
  SettingsResult,
} from './contract/store.ts';
import type {
  DiagnosticsRequest,
  DiagnosticsResult,
  DoctorRequest,
  DoctorResult,
} from './contract/upkeep.ts';
import type {
  ModelDetails,
  ModelRequest,
  RemoveModelRequest,
  RemoveModelResult,
  RenameModelRequest,
} from './contract/models.ts';
import type { DataServices } from './contract/data.ts';
import type { HostServices } from './contract/host.ts';
import type { JudgingServices } from './contract/judging.ts';
import type { ItemComparison } from './comparison-items.ts';
import type { ArmCollapse } from './collapse.ts';
import type { Selection } from './selection.ts';
import type { Verdict } from './verdict.ts';
import type { StepMetrics } from './metrics.ts';
import type { Plan } from './plan.ts';

export type * from './contract/comparisons.ts';
export type * from './contract/data.ts';
export type * from './contract/host.ts';
export type * from './contract/judging.ts';
export type * from './contract/playground.ts';
export type * from './contract/models.ts';
export type * from './contract/reports.ts';
export type * from './contract/runs.ts';
export type * from './contract/store.ts';
export type * from './contract/upkeep.ts';

/** Work under way, told to whoever asked for it. */
export type ProgressEvent =
  /** `done` of `total` units of the work named by `label`; `done` starts above 0 where work was kept from before. */
  | {
      readonly kind: 'progress';
      readonly label: string;
      readonly done: number;
      readonly total?: number;
      readonly unit: string;
    }
  /**
   * An optimizer step was taken; it also moves the bar of a single training. Where several runs make up the work, `run`
   * names it ("minor-dpo, lr 5e-6, seed 1") and `progress` events move the bar.
   */
  | {
      readonly kind: 'step';
      readonly run?: string;
      readonly metrics: StepMetrics;
      readonly totalSteps: number;
    }
  /** Something the person should know: rows skipped, a boundary that shifted, a setting that looks wrong. */
  | { readonly kind: 'note'; readonly text: string };

/** What every long call takes beside its request. */
export interface CallOptions {
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface AddModelRequest {
  /** A Hugging Face folder or a `.gguf` file. */
  readonly path: string;
  /** Default: the folder's or file's own name. */
  readonly name?: string;
  /**
   * The library makes it its own: it is moved into the model store where its weights are used as they are, and removed
   * where they are converted. After a failure it is where it was.
   */
  readonly take?: true;
}
export interface ModelSummary {
  readonly name: string;
  readonly path: string;
  readonly format: 'safetensors' | 'gguf';
  /** The family's name in its config, e.g. `llama`. */
  readonly architecture: string;
  readonly parameters: number;
  readonly bytes: number;
  readonly layers: number;
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly chatTemplate: boolean;
  /** Its files are gone from where they were. */
  readonly missing: boolean;
  /** SHA-256 over the weights, in hexadecimal. */
  readonly hash: string;
  /** ISO 8601, UTC. */
  readonly addedAt: string;
}
export interface AddModelResult {
  readonly model: ModelSummary;
  /** False: the same weights were imported before, under the name given in `model`. */
  readonly added: boolean;
}
export interface ListModelsResult {
  readonly models: readonly ModelSummary[];
}

/** What became of a dataset's rows before work began. */
export interface RowCounts {
  readonly rows: number;
  /** Rows left out because their prompt alone fills the length. */
  readonly skipped: number;
  /** Rows whose answers were cut to the length. */
  readonly truncated: number;
}

export interface ScoreRequest {
  /** An imported name or a path; so for every `model` and `data` below. */
  readonly model: string;
  readonly data: string;
  /** A PEFT adapter's folder. */
  readonly adapter?: string;
  readonly maxLength: number;
  /** JSONL: `{"index", "chosen": {"logp", "tokens"}, "rejected": {…}}` per pair. */
  readonly out: string;
  readonly threads?: number;
}
export interface ScoreResult {
  readonly out: string;
  readonly counts: RowCounts;
  /** Pairs scored: rows less skipped. */
  readonly pairs: number;
  /** Completion tokens scored, chosen and rejected. */
  readonly tokens: number;
  /** Share of pairs whose chosen log-prob is above the rejected one. */
  readonly chosenPreferred: number;
  readonly chosenLogpMean: number;
  readonly rejectedLogpMean: number;
  readonly seconds: number;
}

/** Where the trained weights start: an imported model, or a config with random weights. */
export type TrainingStart = { readonly model: string } | { readonly init: string };

export interface TrainRequest {
  readonly start: TrainingStart;
  readonly data: string;
  readonly config: RunConfig;
  /** Use only the first so many rows of the data. */
  readonly pairs?: number;
  /** JSONL, one `StepMetrics` per optimizer step. */
  readonly metrics: string;
  /** Folder: a PEFT adapter, or the whole model where `config.full`. */
  readonly adapterOut: string;
  /** The project it belongs to, by its name. */
  readonly project?: string;
  /** Optimizer steps between two checkpoints; default: by time. */
  readonly checkpointEvery?: number;
  /** Where it goes on from, for a run that was forked off another. */
  readonly fork?: { readonly run: number; readonly step: number };
  /** Start even where the plan says that it cannot fit. */
  readonly force?: boolean;
}
export interface TrainResult {
  readonly run: number;
  readonly metrics: string;
  readonly adapterOut: string;
  readonly config: RunConfig;
  readonly counts: RowCounts;
  readonly steps: number;
  readonly trainedParameters: number;
  readonly first: StepMetrics;
  readonly last: StepMetrics;
  /** After the last step, on held-out rows; absent without evaluation rows. */
  readonly evaluation?: Evaluation;
  readonly seconds: number;
  readonly peakMemory: number;
  readonly hashes: RunHashes;
}
/** What makes two runs comparable: all equal but the config's loss. */
export interface RunHashes {
  readonly base: string;
  readonly data: string;
  readonly order: string;
}

export interface CompareRequest {
  readonly model: string;
  readonly data: string;
  /** Losses, each with values of its own parameters where they are not the defaults: `parseArm` (shared/arms.ts) reads them. */
  readonly arms: readonly string[];
  readonly learningRates: readonly number[];
  readonly seeds: readonly number[];
  /**
   * Values of β, each with every arm that uses it; an arm whose loss ignores β is trained once and compared at each.
   * Absent: `shared.beta`, else each loss's own default. Both together are a UsageError.
   */
  readonly betas?: readonly number[];
  /**
   * Before the arms of each seed: supervised fine-tuning on the chosen answers of the training side, in the same adapter.
   * Every arm of the seed starts from it, and it is their reference unless `shared.reference` names another. Not with
   * full training.
   */
  readonly sftFirst?: SftFirst;
  /** Its evalData or evalShare is set; the configs of all runs are `jobRunsOf(request)` (shared/grid.ts). */
  readonly shared: SharedSettings;
  /** Use only the first so many rows of the data. */
  readonly pairs?: number;
  /** Questions with one right answer each (`prompt`, `answer`), answered greedily by every model; a name or a path. */
  readonly taskData?: string;
  /** Longest answer, in tokens. */
  readonly taskTokens?: number;
  /**
   * After how many prompts every final policy's own samples are drawn, to measure its KL to the reference: the task's
   * questions, else held-out prompts; 0 for none, 32 if absent.
   */
  readonly driftPrompts?: number;
  /** The project it belongs to, by its name. */
  readonly project?: string;
  /** Optimizer steps between two checkpoints; default: by time. */
  readonly checkpointEvery?: number;
  /** Folder for every run's adapter and metrics. */
  readonly out?: string;
  /** One file in the form that its ending names: a self-contained page, Markdown, CSV or JSON. */
  readonly report?: string;
  /** Start even where the plan says that it cannot fit. */
  readonly force?: boolean;
  /** It is the bundled example's. */
  readonly example?: true;
}
export interface CompareResult {
  /** Everything found: the base, every run with its metrics and evaluation, hashes and settings. */
  readonly comparison: ComparisonResult;
  readonly verdicts: readonly Verdict[];
  /** The arms item by item; empty where items are not counted. */
  readonly itemComparisons: readonly ItemComparison[];
  /** Where an arm broke, by which rule and since when. */
  readonly collapses: readonly ArmCollapse[];
  /** Each arm with the settings it does best with; absent where there is nothing to choose. */
  readonly selection?: Selection;
  /** The comparison as a table in plain text, verdicts included, lines parted by "\n". */
  readonly table: string;
  readonly counts: RowCounts;
  readonly report?: string;
  readonly out?: string;
  readonly seconds: number;
}

export type PlanRequest =
  | { readonly kind: 'train'; readonly request: TrainRequest }
  | { readonly kind: 'compare'; readonly request: CompareRequest };
export interface PlanResult {
  readonly plan: Plan;
  readonly fits: boolean;
  /** Why it does not fit, with what to lower. */
  readonly reasons: readonly string[];
}

export type GenerateRequest = (
  | { readonly model: string; readonly adapter?: string }
  /** A checkpoint of a run; `step` absent: the last one. */
  | { readonly run: number; readonly step?: number }
) &
  GenerateSettings;
export interface GenerateSettings {
  readonly prompt: string;
  /** Render the prompt as a user's message through the model's chat template. */
  readonly chat: boolean;
  readonly maxTokens: number;
  /** 0: greedy. */
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
  readonly threads?: number;
}
export type GenerateResult = GenerateTextResult;

export interface DemoRequest {
  /** Default: in the home folder. */
  readonly report?: string;
  readonly threads?: number;
}

/** Work that was put into the queue instead of being carried out at once. */
export interface QueuedResult {
  readonly job: number;
  readonly runs: readonly number[];
}

export interface Services extends DataServices, HostServices, JudgingServices {
  addModel(request: AddModelRequest, call?: CallOptions): Promise<AddModelResult>;
  listModels(): Promise<ListModelsResult>;
  inspectModel(request: ModelRequest): Promise<ModelDetails>;
  renameModel(request: RenameModelRequest): Promise<ListModelsResult>;
  removeModel(request: RemoveModelRequest): Promise<RemoveModelResult>;
  /** Looks at a file's rows and imports nothing. */
  score(request: ScoreRequest, call?: CallOptions): Promise<ScoreResult>;
  train(request: TrainRequest, call?: CallOptions): Promise<TrainResult>;
  compare(request: CompareRequest, call?: CallOptions): Promise<CompareResult>;
  /** What a training or a comparison would take in memory, disk and time; trains nothing. */
  plan(request: PlanRequest, call?: CallOptions): Promise<PlanResult>;
  /** `onToken` gets each piece of text as it is decoded; the pieces joined are the result's text. */
  generate(
    request: GenerateRequest,
    call?: CallOptions & { onToken?: (text: string) => void },
  ): Promise<GenerateResult>;
  /**
   * As `generate`, in a process of the model's own that stays ready for a while. Several calls go on side by side, token
   * by token. The pieces' texts joined are the result's text, and every token is in one piece.
   */
  generateText(
    request: GenerateTextRequest,
    call?: CallOptions & { onPiece?: ((piece: GeneratedPiece) => void) | undefined },
  ): Promise<GenerateTextResult>;
  /** Log-probs of a completion's tokens, computed where `generateText` does. */
  scoreText(request: ScoreTextRequest, call?: CallOptions): Promise<ScoreTextResult>;
  /** `train` and `compare` for later: they stand in the queue until somebody runs it. */
  queueTrain(request: TrainRequest, call?: CallOptions): Promise<QueuedResult>;
  queueCompare(request: CompareRequest, call?: CallOptions): Promise<QueuedResult>;
  listRuns(request: ListRunsRequest): Promise<ListRunsResult>;
  showRun(request: RunRequest): Promise<RunDetails>;
  /** All evaluations of a run, of one that is at work those that have been made. */
  runEvaluations(request: RunRequest): Promise<RunEvaluationsResult>;
  /** Follows a run that some process is at work on, until its job ends. */
  watchRun(request: RunRequest, call?: CallOptions): Promise<RunDetails>;
  /** Asks for it and waits until it is done. */
  pauseRun(request: RunRequest, call?: CallOptions): Promise<RunsResult>;
  stopRun(request: RunRequest, call?: CallOptions): Promise<RunsResult>;
  resumeRun(request: ResumeRequest, call?: CallOptions): Promise<RunsResult>;
  forkRun(request: ForkRequest, call?: CallOptions): Promise<RunsResult>;
  /** Metrics of several runs for charts, decimated, in one batch. */
  runSeries(request: SeriesRequest, call?: CallOptions): Promise<SeriesResult>;
  runMetrics(request: RunMetricsRequest): Promise<RunMetricsResult>;
  /** c, r and gate of pairs, those trained on or those held out. Rejects where that is more than can be shown at once. */
  pairTelemetry(request: PairTelemetryRequest, call?: CallOptions): Promise<PairTelemetryResult>;
  pairSteps(request: PairStepsRequest, call?: CallOptions): Promise<PairStepsResult>;
  /** The end of what the run's process has said. */
  runLog(request: LogRequest): Promise<LogResult>;
  removeRun(request: RemoveRunRequest): Promise<RemoveRunResult>;
  exportRun(request: ExportRunRequest, call?: CallOptions): Promise<ExportRunResult>;
  listQueue(): Promise<QueueResult>;
  moveJob(request: MoveJobRequest): Promise<QueueResult>;
  listComparisons(request: ListComparisonsRequest): Promise<ListComparisonsResult>;
  showComparison(request: ComparisonRequest, call?: CallOptions): Promise<ComparisonDetails>;
  /** A comparison's report, out of its record: also of one that is not finished. */
  report(request: ReportRequest, call?: CallOptions): Promise<ReportResult>;
  /** The result that a report holds. */
  readReport(request: ReadReportRequest): Promise<ReadReportResult>;
  /** Carries a report's comparison out again, and compares every value. */
  compareAgain(request: CompareAgainRequest, call?: CallOptions): Promise<CompareAgainResult>;
  /** What a report's number is made of, calculated anew out of the record. */
  trace(request: TraceRequest, call?: CallOptions): Promise<TraceResult>;
  addProject(request: ProjectRequest): Promise<ProjectResult>;
  listProjects(): Promise<ListProjectsResult>;
  renameProject(request: RenameProjectRequest): Promise<ProjectResult>;
  /** Only where no run belongs to it. */
  removeProject(request: ProjectRequest): Promise<ListProjectsResult>;
  listSettings(): Promise<SettingsResult>;
  setSetting(request: SetSettingRequest): Promise<SettingsResult>;
  resetSetting(request: ResetSettingRequest): Promise<SettingsResult>;
  /** Checks all that is recorded; needs no database that can be opened. */
  doctor(request: DoctorRequest, call?: CallOptions): Promise<DoctorResult>;
  diagnostics(request: DiagnosticsRequest, call?: CallOptions): Promise<DiagnosticsResult>;
  /** `compare` on the bundled example. */
  demo(request: DemoRequest, call?: CallOptions): Promise<CompareResult>;
  /** Closes the database and ends what runs in the background. */
  close(): Promise<void>;
}

export interface ServicesOptions {
  /** Folder of the database and the model store; made if absent. */
  readonly home: string;
}
export type ServicesFactory = (options: ServicesOptions) => Promise<Services>;
