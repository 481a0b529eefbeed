import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Arithmetic } from './arithmetic.ts';
import { median, totalSeconds, type Agreement, type HalfReport } from './half-report.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_bytes: number;
  readonly platform: string;
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    platform: `${process.platform}-${process.arch}`,
  };
}

/** One program with one configuration, over all repeats: medians, but the largest peak of memory. */
export interface Side {
  readonly name: string;
  readonly settings?: string | undefined;
  /** Pairs by the seconds of setting up, reference and training together. */
  readonly pairs_per_second: number;
  readonly training_pairs_per_second: number;
  /** Undefined where no pair needed a pass. */
  readonly reference_pairs_per_second: number | undefined;
  readonly setup_seconds: number;
  readonly reference_seconds: number;
  readonly training_seconds: number;
  readonly total_seconds: number;
  /** Needed arithmetic by the seconds of training. */
  readonly flops_per_second: number;
  readonly share_of_peak: number;
  /** From the start of the program to the beginning and to the end of its first update. */
  readonly first_step_begins_seconds: number;
  readonly first_step_seconds: number;
  /** Share of training spent outside the runtime. */
  readonly script_share?: number;
  readonly peak_rss_bytes: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** What every workload's result says. */
interface ResultHead {
  readonly workload: string;
  readonly what: string;
  readonly model: string;
  readonly source: string;
  readonly pairs: number;
  /** Means. */
  readonly tokens: { readonly prompt: number; readonly chosen: number; readonly rejected: number };
  readonly threads: number;
  readonly repeats: number;
  readonly low_memory: boolean;
  /** Processes that wanted to run in the last minute, before and after the measurement. */
  readonly load: readonly [number, number];
  /** The worst of all comparisons; absent where TRL did not run. */
  readonly agreement?: Agreement;
}

export interface TrainingResult extends ResultHead {
  readonly kind: 'training';
  /** Of all pairs. */
  readonly arithmetic: Arithmetic;
  readonly peak_flops_per_second: number;
  /** This engine first. */
  readonly sides: readonly Side[];
}

export interface GridSide {
  readonly name: string;
  readonly settings?: string | undefined;
  /** From the file of pairs to all adapters. */
  readonly seconds: number;
  readonly peak_rss_bytes: number;
  readonly versions: Readonly<Record<string, string>>;
}

export interface GridResult extends ResultHead {
  readonly kind: 'grid';
  readonly runs: number;
  /** Runs that TRL made, where not all: the others are counted as the mean of those behind the first. */
  readonly trl_runs?: number;
  readonly sides: readonly GridSide[];
}

export type Result = TrainingResult | GridResult;

/** Seconds from a program's start. */
export interface FirstStep {
  readonly begins: number;
  readonly ends: number;
}

export interface SideInput {
  readonly name: string;
  readonly settings?: string | undefined;
  readonly halves: readonly HalfReport[];
  /** Instead of the halves' own. */
  readonly firstSteps?: readonly FirstStep[] | undefined;
}

/**
 * @param peaks operations per second of large products, as often as they were measured: the machine's peak is the largest
 * @param pairs how many each half trained on
 */
export function summarise(
  { name, settings, halves, firstSteps }: SideInput,
  arithmetic: Arithmetic,
  peaks: readonly number[],
  pairs: number,
): Side {
  const middle = (of: (half: HalfReport) => number): number => median(halves.map(of));
  const training = middle((half) => half.training_seconds);
  const reference = middle((half) => half.reference_seconds);
  const referencePairs = halves[0]!.reference_pairs ?? pairs;
  const total = middle(totalSeconds);
  const flops = arithmetic.total / training;
  const first =
    firstSteps ??
    halves.map((half) => ({ begins: half.first_step_begins_seconds, ends: half.first_step_seconds }));
  const isOurs = halves[0]!.script_seconds !== undefined;
  return {
    name,
    settings,
    pairs_per_second: pairs / total,
    training_pairs_per_second: pairs / training,
    reference_pairs_per_second: referencePairs === 0 ? undefined : referencePairs / reference,
    setup_seconds: middle((half) => half.setup_seconds),
    reference_seconds: reference,
    training_seconds: training,
    total_seconds: total,
    flops_per_second: flops,
    share_of_peak: flops / Math.max(...peaks),
    first_step_begins_seconds: median(first.map(({ begins }) => begins)),
    first_step_seconds: median(first.map(({ ends }) => ends)),
    ...(isOurs ? { script_share: middle((half) => half.script_seconds! / half.training_seconds) } : {}),
    peak_rss_bytes: Math.max(...halves.map((half) => half.peak_rss_bytes)),
    versions: halves[0]!.versions,
  };
}

export function worstAgreement(agreements: readonly Agreement[]): Agreement | undefined {
  if (agreements.length === 0) return undefined;
  const losses = agreements.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
  return {
    referenceLogProb: Math.max(...agreements.map(({ referenceLogProb }) => referenceLogProb)),
    ...(losses.length > 0 ? { loss: Math.max(...losses) } : {}),
  };
}
