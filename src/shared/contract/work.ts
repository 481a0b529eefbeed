import type { ArmCollapse } from '../collapse.ts';
import type { DivergencePoint } from '../divergence-point.ts';
import type { ItemComparison } from '../comparison-items.ts';
import type { ComparisonResult, Evaluation, SftFirst } from '../comparison.ts';
import type { RunConfig, SharedSettings } from '../config.ts';
import type { StepMetrics } from '../metrics.ts';
import type { Plan } from '../plan.ts';
import type { Selection } from '../selection.ts';
import type { Verdict } from '../verdict.ts';
import type { GenerateTextResult } from './playground.ts';

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
  /** How many of the questions, the first ones, are answered at each evaluation on the way; none if absent. With `shared.evalEvery`. */
  readonly evalQuestions?: number;
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
  /** Compute every evaluation, also those that earlier comparisons have made of the same weights. */
  readonly anew?: true;
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
  /** Where two arms part beyond seed noise, by what is measured at every evaluation. */
  readonly divergencePoints: readonly DivergencePoint[];
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
  /** `8bit`: the base's matrices are rounded to bytes, which is faster, and answers can differ a little. float32 if absent. */
  readonly weights?: 'float32' | '8bit';
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
