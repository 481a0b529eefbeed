/**
 * What the program does for a person, as plain JSON requests and results: the command line and the desktop call it the
 * same way. Lengths are in tokens, times in seconds, sizes in bytes, log-probs and log-ratios in nats. Numbers that do
 * not apply are absent.
 *
 * Every method rejects with `InputError` for what a person can mend. On `signal` it ends the step under way, yields to
 * the event loop between steps so that the signal can arrive, removes what is half-written and rejects with
 * `signal.reason`.
 */
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
  AddModelRequest,
  AddModelResult,
  ListModelsResult,
  ModelDetails,
  ModelRequest,
  RemoveModelRequest,
  RemoveModelResult,
  RenameModelRequest,
} from './contract/models.ts';
import type {
  CompareRequest,
  CompareResult,
  DemoRequest,
  GenerateRequest,
  GenerateResult,
  PlanRequest,
  PlanResult,
  QueuedResult,
  ScoreRequest,
  ScoreResult,
  TrainRequest,
  TrainResult,
} from './contract/work.ts';
import type { DataServices } from './contract/data.ts';
import type { HostServices } from './contract/host.ts';
import type { JudgingServices } from './contract/judging.ts';
import type { StepMetrics } from './metrics.ts';

export type * from './contract/comparisons.ts';
export type * from './contract/data.ts';
export type * from './contract/data-analysis.ts';
export type * from './contract/host.ts';
export type * from './contract/judging.ts';
export type * from './contract/playground.ts';
export type * from './contract/models.ts';
export type * from './contract/reports.ts';
export type * from './contract/runs.ts';
export type * from './contract/store.ts';
export type * from './contract/upkeep.ts';
export type * from './contract/work.ts';

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

export interface Services extends DataServices, HostServices, JudgingServices {
  addModel(request: AddModelRequest, call?: CallOptions): Promise<AddModelResult>;
  listModels(): Promise<ListModelsResult>;
  inspectModel(request: ModelRequest): Promise<ModelDetails>;
  renameModel(request: RenameModelRequest): Promise<ListModelsResult>;
  removeModel(request: RemoveModelRequest): Promise<RemoveModelResult>;
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
