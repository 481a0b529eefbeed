/** What a training is expected to take, and what it took. Bytes and seconds throughout. */
import { formatBytes, formatDuration, formatElapsed } from './format.ts';

/** A named share of something estimated. */
export interface PlanPart {
  readonly name: string;
  readonly amount: number;
}

/** A setting changed, and the peak memory expected with it. */
export interface Alternative {
  /** What a person is to do: `lower --max-length to 256`. */
  readonly change: string;
  readonly peak: number;
}

export interface MemoryPlan {
  /** Largest resident size of the training process. */
  readonly peak: number;
  /** What the peak is made of; they sum to it. */
  readonly parts: readonly PlanPart[];
  /** The largest resident size that the process can have on this machine now. */
  readonly available: number;
  /** Ways to need less, the mildest first. */
  readonly alternatives: readonly Alternative[];
}

/** One volume that is written to. */
export interface DiskPlan {
  /** A folder on the volume. */
  readonly folder: string;
  /** Bytes added at most at any time. */
  readonly bytes: number;
  readonly parts: readonly PlanPart[];
  readonly free: number;
}

export interface TimePlan {
  /** The whole job, what has passed before the plan was made and the calibration included. */
  readonly total: number;
  readonly parts: readonly PlanPart[];
}

/** What the estimate stands on. */
export interface Calibration {
  /** Passes measured, and how long all of them took. */
  readonly passes: number;
  readonly seconds: number;
  /** Length of the longest packed sequence that was run, in tokens. */
  readonly longestSequence: number;
  /** Seconds of a pass = fixed + perToken · effective tokens + perSquare · length². */
  readonly training: PassTime;
  readonly scoring: PassTime | undefined;
  /** Resident bytes before and after the passes. */
  readonly residentBefore: number;
  readonly residentAfter: number;
}

export interface PassTime {
  readonly fixed: number;
  readonly perToken: number;
  readonly perSquare: number;
}

export interface Plan {
  readonly memory: MemoryPlan;
  readonly disk: readonly DiskPlan[];
  /** Absent where only sizes were looked at (`precheck`). */
  readonly time?: TimePlan;
  readonly calibration?: Calibration;
}

/** What a job took, measured in the same way as it was planned. */
export interface Outcome {
  readonly seconds: number;
  readonly peakMemory: number;
  /** Bytes written, where that was counted. */
  readonly disk?: number;
}

/** How far a plan was off, as a share of the outcome: 0.1 where 10 % too much was planned, negative for too little. */
export interface PlanError {
  readonly memory: number;
  readonly time?: number;
  readonly disk?: number;
}

const total = (parts: readonly PlanPart[]): number => parts.reduce((sum, { amount }) => sum + amount, 0);
const off = (planned: number, found: number): number => (found > 0 ? planned / found - 1 : 0);

export function planError(plan: Plan, outcome: Outcome): PlanError {
  return {
    memory: off(plan.memory.peak, outcome.peakMemory),
    ...(plan.time === undefined ? {} : { time: off(plan.time.total, outcome.seconds) }),
    ...(outcome.disk === undefined
      ? {}
      : {
          disk: off(
            plan.disk.reduce((sum, { bytes }) => sum + bytes, 0),
            outcome.disk,
          ),
        }),
  };
}

/** Whether a plan fits the machine, with every reason why not and what would. */
export function fits(plan: Plan): { readonly fits: boolean; readonly reasons: readonly string[] } {
  const { memory, disk } = plan;
  const reasons: string[] = [];
  if (memory.peak > memory.available) {
    reasons.push(
      `needs about ${formatBytes(memory.peak)} of memory, ${formatBytes(memory.available)} can be had; ` +
        lowerMemory(memory),
    );
  }
  for (const { folder, bytes, free } of disk) {
    if (bytes <= free) continue;
    reasons.push(
      `needs about ${formatBytes(bytes)} of disk in ${folder}, ${formatBytes(free)} are free; ` +
        'keep fewer checkpoints or free some space',
    );
  }
  return { fits: reasons.length === 0, reasons };
}

/**
 * What to change so that memory suffices: the mildest change that does, else the one that saves most.
 * @param limit bytes that can be had; what the plan says if absent
 */
export function lowerMemory(memory: MemoryPlan, limit = memory.available): string {
  const enough = memory.alternatives.find(({ peak }) => peak <= limit);
  if (enough) return `${enough.change} (about ${formatBytes(enough.peak)})`;
  const least = [...memory.alternatives].sort((a, b) => a.peak - b.peak)[0];
  const more = `free ${formatBytes(Math.max(0, (least?.peak ?? memory.peak) - limit))} of memory`;
  if (!least || least.peak >= memory.peak) return `${more} or take a smaller model`;
  return `${least.change} (about ${formatBytes(least.peak)}) and ${more}, or take a smaller model`;
}

const listed = (parts: readonly PlanPart[], format: (amount: number) => string): string =>
  parts
    .filter(({ amount }) => amount > 0)
    .map(({ name, amount }) => `${name} ${format(amount)}`)
    .join(', ');

/** A plan in lines for a terminal or a screen. */
export function describePlan(plan: Plan): string[] {
  const { memory, disk, time, calibration } = plan;
  const lines = [
    `memory  about ${formatBytes(memory.peak)} of ${formatBytes(memory.available)} (${listed(memory.parts, formatBytes)})`,
    ...disk.map(
      ({ folder, bytes, parts, free }) =>
        `disk    at most ${formatBytes(bytes)} of ${formatBytes(free)} free in ${folder}` +
        (total(parts) > 0 ? ` (${listed(parts, formatBytes)})` : ''),
    ),
  ];
  if (time) lines.push(`time    about ${formatElapsed(time.total)} (${listed(time.parts, formatElapsed)})`);
  if (calibration) {
    lines.push(
      `from ${calibration.passes} passes over up to ${calibration.longestSequence} tokens in ${formatElapsed(calibration.seconds)}`,
    );
  }
  return [...lines, ...fits(plan).reasons.map((reason) => `does not fit: ${reason}`)];
}

/** A plan in one line. */
export function planSummary({ memory, disk, time }: Plan): string {
  const bytes = disk.reduce((sum, each) => sum + each.bytes, 0);
  const takes = time === undefined ? '' : `${formatElapsed(time.total)}, `;
  return `planned: about ${takes}${formatBytes(memory.peak)} of memory, ${formatBytes(bytes)} of disk`;
}

const signed = (share: number): string => `${share < 0 ? '−' : '+'}${Math.abs(share * 100).toFixed(0)} %`;

/** A plan beside what came of it, in lines. */
export function describeOutcome(plan: Plan, outcome: Outcome): string[] {
  const error = planError(plan, outcome);
  const line = (name: string, planned: string, found: string, share: number): string =>
    `${name.padEnd(8)}${planned} planned, ${found} taken (${signed(share)})`;
  return [
    line('memory', formatBytes(plan.memory.peak), formatBytes(outcome.peakMemory), error.memory),
    ...(plan.time === undefined || error.time === undefined
      ? []
      : [line('time', formatDuration(plan.time.total), formatDuration(outcome.seconds), error.time)]),
    ...(error.disk === undefined || outcome.disk === undefined
      ? []
      : [
          line(
            'disk',
            formatBytes(plan.disk.reduce((sum, { bytes }) => sum + bytes, 0)),
            formatBytes(outcome.disk),
            error.disk,
          ),
        ]),
  ];
}
