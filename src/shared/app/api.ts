/**
 * What a page can ask its host. Requests are plain JSON; `methods.ts` holds the schema of each. Models, datasets and
 * projects are given by their names in the library, files by grants: a page knows no paths.
 *
 * A call fails with a `CallError` (protocol.ts). Long ones report progress and can be cancelled.
 */
import type { Evaluation } from '../comparison.ts';
import type { ReportFormat } from '../report/format.ts';
import type { RunConfigInput, SharedSettingsInput } from '../config.ts';
import type {
  AddDataResult,
  AddModelResult,
  ChangeDataResult,
  CheckDataResult,
  ComparisonDetails,
  ComparisonRequest,
  DataHistoryResult,
  DatasetRequest,
  DoctorResult,
  DuplicatesRequest,
  DuplicatesResult,
  EditDataRequest,
  GenerateTextRequest,
  GenerateTextResult,
  JudgingRequest,
  JudgingResult,
  JudgingResultRequest,
  JudgingSummary,
  JudgingToDataRequest,
  JudgingToDataResult,
  JudgingView,
  LeaksRequest,
  LeaksResult,
  LengthsRequest,
  LengthsResult,
  ListComparisonsRequest,
  ListComparisonsResult,
  ListDataResult,
  ListJudgingsRequest,
  ListJudgingsResult,
  ListModelsResult,
  ListProjectsResult,
  ListRunsRequest,
  ListRunsResult,
  LogRequest,
  LogResult,
  MarkDataRequest,
  ModelDetails,
  ModelRequest,
  MoveJobRequest,
  PairStepsRequest,
  PairStepsResult,
  PairTelemetryRequest,
  PairTelemetryResult,
  PlanResult,
  PrepareJudgingRequest,
  PreviewDataResult,
  ProjectRequest,
  ProjectResult,
  QueuedResult,
  QueueResult,
  RemoveDataRequest,
  RemoveDataResult,
  RemoveJudgingRequest,
  RemoveJudgingResult,
  RemoveModelRequest,
  RemoveModelResult,
  RemoveRunRequest,
  RemoveRunResult,
  RenameModelRequest,
  RenameProjectRequest,
  ResetSettingRequest,
  RowsRequest,
  RowsResult,
  RunDetails,
  RunMetricsRequest,
  RunMetricsResult,
  RunRequest,
  RunsResult,
  ScoreTextRequest,
  ScoreTextResult,
  SearchDataRequest,
  SearchDataResult,
  SeriesRequest,
  SeriesResult,
  SetSettingRequest,
  SettingsResult,
  ShowDataRequest,
  ShowDataResult,
  ShowJudgingRequest,
  SplitDataRequest,
  SplitDataResult,
  StartJudgingRequest,
  UndoDataResult,
  VoteRequest,
} from '../contract.ts';
import type { LossName } from '../losses.ts';
import type { ColumnMap, FormatName } from '../preferences.ts';

export type {
  ComparisonDetails,
  ComparisonSummary,
  GenerateTextRequest,
  GenerateTextResult,
  JudgedPolicy,
  JudgingItemView,
  JudgingPrompts,
  JudgingResult,
  JudgingSummary,
  JudgingView,
  LogRequest,
  LogResult,
  ModelDetails,
  Policy,
  ScoreTextRequest,
  ScoreTextResult,
  PreviewDataResult,
  RowFilter,
  RowLine,
  RowsRequest,
  RowsResult,
  Series,
  SeriesRequest,
  SeriesResult,
} from '../contract.ts';

export type Nothing = Readonly<Record<string, never>>;

/** A file or folder that a person has let the program read. */
export interface FileGrant {
  readonly id: string;
  /** Its last name. */
  readonly name: string;
  readonly kind: 'file' | 'folder';
  readonly bytes: number;
}
/** A file that the host has made and a person may take away. */
export interface Download {
  readonly id: string;
  readonly name: string;
  readonly bytes: number;
}

export interface AppInfo {
  readonly version: string;
  readonly host: 'web' | 'desktop';
  readonly platform: string;
  readonly threads: number;
  /** Bytes of memory in all. */
  readonly memory: number;
  /** The library holds nothing yet: offer the bundled example. */
  readonly firstStart: boolean;
  readonly example: { readonly available: boolean; readonly comparison?: number };
}

export interface FileDataRequest {
  readonly file: string;
  readonly format?: FormatName;
  readonly map?: ColumnMap;
}
/** Several runs under the same conditions: arms × learning rates × β × seeds. */
export interface ExperimentRequest {
  readonly project?: string;
  readonly model: string;
  readonly data: string;
  readonly pairs?: number;
  /** As `CompareRequest` has them. */
  readonly arms: readonly string[];
  readonly learningRates: readonly number[];
  /** Absent: each loss's own default. */
  readonly betas?: readonly number[];
  readonly seeds: readonly number[];
  /** Supervised fine-tuning on the chosen answers, from which every arm of a seed starts. */
  readonly sftFirst?: { readonly learningRate: number; readonly epochs?: number; readonly steps?: number };
  /** `evalData` is a dataset's name. */
  readonly shared: SharedSettingsInput;
  /** A dataset whose rows carry right answers, answered by every model. */
  readonly task?: {
    readonly data: string;
    readonly tokens?: number;
    /** As `CompareRequest.evalQuestions`. */
    readonly onTheWay?: number;
  };
  /** As `CompareRequest` has it. */
  readonly driftPrompts?: number;
  readonly force?: boolean;
}
/** One training by itself. */
export interface TrainingRequest {
  readonly project?: string;
  readonly model: string;
  readonly data: string;
  readonly pairs?: number;
  readonly config: RunConfigInput;
  readonly force?: boolean;
}
export type Work =
  | { readonly kind: 'experiment'; readonly request: ExperimentRequest }
  | { readonly kind: 'training'; readonly request: TrainingRequest };
export interface StartRequest {
  readonly work: Work;
  /** True: wake the runner; false: only put it into the queue. */
  readonly begin: boolean;
}
export interface StartResult extends QueuedResult {
  readonly comparison?: number;
}
export interface QueueState extends QueueResult {
  /** The host carries out what waits. */
  readonly running: boolean;
}

export interface ForkRunRequest extends RunRequest {
  readonly step?: number;
  readonly changes: {
    readonly loss?: LossName;
    readonly lossParameters?: Readonly<Record<string, number>>;
    readonly beta?: number;
    readonly learningRate?: number;
    readonly steps?: number;
  };
}

export interface RunEvaluations {
  readonly evaluations: readonly {
    readonly step: number;
    readonly evaluation: Omit<Evaluation, 'perPair'>;
    readonly samples?: readonly {
      readonly prompt: string;
      readonly output: string;
      readonly tokens: number;
      /** Share of repeated four-grams. */
      readonly repetition?: number;
    }[];
  }[];
}

export interface AppApi {
  appInfo(request: Nothing): AppInfo;
  /** Queues the bundled example's comparison, trains it, and says which it is; the one there is if it was made before. */
  startExample(request: Nothing): StartResult;
  /** Desktop: a native dialog; empty where it was closed. Pages over loopback upload instead. */
  pickFiles(request: { readonly purpose: 'data' | 'model-file' | 'model-folder' }): {
    readonly files: readonly FileGrant[];
  };
  /** Desktop: a native dialog that says where to keep it. */
  saveDownload(request: { readonly download: string }): { readonly saved: boolean };
  /** Gives a grant back and removes what was uploaded. */
  dropFile(request: { readonly file: string }): Nothing;

  listModels(request: Nothing): ListModelsResult;
  addModel(request: { readonly file: string; readonly name?: string }): AddModelResult;
  inspectModel(request: ModelRequest): ModelDetails;
  renameModel(request: RenameModelRequest): ListModelsResult;
  /** Without `confirmed` only says what would go. */
  removeModel(request: RemoveModelRequest): RemoveModelResult;

  previewData(request: FileDataRequest): PreviewDataResult;
  checkData(
    request: FileDataRequest & { readonly model?: string; readonly maxLength?: number },
  ): CheckDataResult;
  addData(
    request: FileDataRequest & {
      readonly name?: string;
      readonly skipBad?: boolean;
      readonly splitColumn?: string;
    },
  ): AddDataResult;
  listData(request: Nothing): ListDataResult;
  showData(request: ShowDataRequest): ShowDataResult;
  dataRows(request: RowsRequest): RowsResult;
  searchData(request: SearchDataRequest): SearchDataResult;
  editData(request: EditDataRequest): ChangeDataResult;
  markData(request: MarkDataRequest): ChangeDataResult;
  dataHistory(request: DatasetRequest): DataHistoryResult;
  undoData(request: DatasetRequest): UndoDataResult;
  splitData(request: SplitDataRequest): SplitDataResult;
  dataDuplicates(request: DuplicatesRequest): DuplicatesResult;
  dataLengths(request: LengthsRequest): LengthsResult;
  dataLeaks(request: LeaksRequest): LeaksResult;
  removeData(request: RemoveDataRequest): RemoveDataResult;
  /** JSONL in TRL's form. */
  exportData(request: DatasetRequest): Download;

  planWork(request: { readonly work: Work }): PlanResult;
  startWork(request: StartRequest): StartResult;
  listRuns(request: ListRunsRequest): ListRunsResult;
  showRun(request: RunRequest): RunDetails;
  pauseRun(request: RunRequest): RunsResult;
  stopRun(request: RunRequest): RunsResult;
  /** Puts it back into the queue and wakes the runner. */
  resumeRun(request: RunRequest): RunsResult;
  forkRun(request: ForkRunRequest): RunsResult;
  removeRun(request: RemoveRunRequest): RemoveRunResult;
  /** A PEFT adapter (or whole model) as one archive. */
  exportRun(request: RunRequest & { readonly step?: number }): Download;
  runSeries(request: SeriesRequest): SeriesResult;
  /** Names of the metrics that any of these runs has. */
  runMetrics(request: RunMetricsRequest): RunMetricsResult;
  runEvaluations(request: RunRequest): RunEvaluations;
  pairTelemetry(request: PairTelemetryRequest): PairTelemetryResult;
  pairSteps(request: PairStepsRequest): PairStepsResult;
  runLog(request: LogRequest): LogResult;
  listQueue(request: Nothing): QueueState;
  moveJob(request: MoveJobRequest): QueueState;
  startQueue(request: Nothing): QueueState;
  /** Lets the job at work go on; nothing more is begun. */
  haltQueue(request: Nothing): QueueState;

  listComparisons(request: ListComparisonsRequest): ListComparisonsResult;
  showComparison(request: ComparisonRequest): ComparisonDetails;
  /** One self-contained HTML file. */
  report(request: ComparisonRequest & { readonly format?: ReportFormat }): Download;

  generateText(request: GenerateTextRequest): GenerateTextResult;
  scoreText(request: ScoreTextRequest): ScoreTextResult;

  /** Draws prompts and sides; no answer of a judging's methods tells of sides before `judgingResult`. */
  startJudging(request: StartJudgingRequest): JudgingSummary;
  listJudgings(request: ListJudgingsRequest): ListJudgingsResult;
  showJudging(request: ShowJudgingRequest): JudgingView;
  /** Generates answers that are not there yet. */
  prepareJudging(request: PrepareJudgingRequest): JudgingSummary;
  vote(request: VoteRequest): JudgingView;
  undoVote(request: JudgingRequest): JudgingView;
  /** Tells the sides; votes stand from then on. */
  judgingResult(request: JudgingResultRequest): JudgingResult;
  judgingToData(request: JudgingToDataRequest): JudgingToDataResult;
  removeJudging(request: RemoveJudgingRequest): RemoveJudgingResult;

  listProjects(request: Nothing): ListProjectsResult;
  addProject(request: ProjectRequest): ProjectResult;
  renameProject(request: RenameProjectRequest): ProjectResult;
  removeProject(request: ProjectRequest): ListProjectsResult;
  listSettings(request: Nothing): SettingsResult;
  setSetting(request: SetSettingRequest): SettingsResult;
  resetSetting(request: ResetSettingRequest): SettingsResult;
  doctor(request: {
    readonly fix: boolean;
    readonly free: boolean;
    readonly confirmed: boolean;
  }): DoctorResult;
  diagnostics(request: Nothing): Download;
}

export type MethodName = keyof AppApi;
export type RequestOf<Method extends MethodName> = Parameters<AppApi[Method]>[0];
export type ResultOf<Method extends MethodName> = ReturnType<AppApi[Method]>;
