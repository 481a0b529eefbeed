import type { Arithmetic } from './arithmetic.ts';
import { parts, type NodePart, type Part } from './parts.ts';
import type { Table } from './tables.ts';

/** One event of ONNX Runtime's profile; times in microseconds. */
export interface TraceEvent {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
  readonly args?: { readonly node_index?: string; readonly op_name?: string };
}

/** A session's profile, with the part of each of its nodes. */
export interface SessionTrace {
  readonly events: readonly TraceEvent[];
  readonly nodeParts: readonly NodePart[];
  /** Runs at the end of the profile that count. */
  readonly passes: number;
}

export interface KernelTime {
  readonly part: NodePart;
  readonly operator: string;
  readonly calls: number;
  readonly seconds: number;
}

/**
 * Time of kernels by part and operator, over the last passes of each session; the longest first.
 * @throws Error where a profile has fewer passes, or a kernel of a node that the graph has not
 */
export function kernelTimes(traces: readonly SessionTrace[]): readonly KernelTime[] {
  const sums = new Map<string, { part: NodePart; operator: string; calls: number; seconds: number }>();
  for (const { events, nodeParts, passes } of traces) {
    if (passes === 0) continue;
    const runs = events
      .filter(({ cat, name }) => cat === 'Session' && name === 'model_run')
      .sort((a, b) => a.ts - b.ts)
      .slice(-passes);
    if (runs.length < passes) throw new Error(`the profile has ${runs.length} passes of ${passes}`);
    const from = runs[0]!.ts;
    for (const { cat, name, ts, dur, args } of events) {
      if (cat !== 'Node' || !name.endsWith('_kernel_time') || ts < from) continue;
      const part = nodeParts[Number(args?.node_index)];
      if (part === undefined) throw new Error(`the profile has a kernel of node ${args?.node_index}`);
      const operator = args?.op_name ?? 'unknown';
      const key = `${part} ${operator}`;
      const sum = sums.get(key) ?? { part, operator, calls: 0, seconds: 0 };
      sum.calls += 1;
      sum.seconds += dur / 1e6;
      sums.set(key, sum);
    }
  }
  return [...sums.values()].sort((a, b) => b.seconds - a.seconds);
}

/** What Node's CPU profiler gives. */
export interface ScriptProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly url: string } }[];
  readonly samples?: readonly number[] | undefined;
  /** Microseconds before each sample. */
  readonly timeDeltas?: readonly number[] | undefined;
}

/** Share of the optimizer in the time of all scripts, 0 to 1: its module's functions, and any WebAssembly. */
export function optimizerShare({ nodes, samples = [], timeDeltas = [] }: ScriptProfile): number {
  const urls = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.url]));
  let optimizer = 0;
  let others = 0;
  samples.forEach((id, place) => {
    const url = urls.get(id) ?? '';
    const time = Math.max(0, timeDeltas[place] ?? 0);
    if (/\/train\/optimizer\b|^wasm:/.test(url)) optimizer += time;
    // What has no file is the runtime's native code, the garbage collector or waiting.
    else if (/\/src\/main\//.test(url)) others += time;
  });
  return optimizer + others === 0 ? 0 : optimizer / (optimizer + others);
}

export interface ProfileInput {
  readonly traces: readonly SessionTrace[];
  readonly script: ScriptProfile;
  /** Of all measured updates: whole, and inside the runtime's calls. */
  readonly updateSeconds: number;
  readonly runtimeSeconds: number;
}

export type PartSeconds = Readonly<Record<Part, number>>;

/**
 * Seconds of the measured updates by part; together they are the updates' whole time. What scripts take is what the
 * runtime's calls leave, and is parted as its samples are.
 */
export function partSeconds(input: ProfileInput): PartSeconds {
  const seconds = Object.fromEntries(Object.keys(parts).map((part) => [part, 0])) as Record<Part, number>;
  let kernels = 0;
  for (const kernel of kernelTimes(input.traces)) {
    seconds[kernel.part] += kernel.seconds;
    kernels += kernel.seconds;
  }
  const script = input.updateSeconds - input.runtimeSeconds;
  const optimizer = script * optimizerShare(input.script);
  seconds.optimizer += optimizer;
  seconds.script = script - optimizer;
  seconds.runtime = input.runtimeSeconds - kernels;
  return seconds;
}

/** What one process tells of a workload. */
export interface ProfileReport {
  readonly updates: number;
  readonly pairs: number;
  readonly seconds: PartSeconds;
  readonly kernels: readonly KernelTime[];
}

/** Parts by share, then in all. @param arithmetic of all measured pairs */
export function partTable({ seconds, pairs }: ProfileReport, arithmetic: Arithmetic): Table {
  const total = Object.values(seconds).reduce((sum, each) => sum + each, 0);
  const needed: Partial<Record<Part, number>> = {
    base: arithmetic.base,
    lora: arithmetic.lora,
    attention: arithmetic.attention,
    vocabulary: arithmetic.head,
  };
  const row = (name: string, time: number, flops: number | undefined): string[] => [
    name,
    ((1000 * time) / pairs).toFixed(1),
    `${((100 * time) / total).toFixed(1)} %`,
    flops === undefined || time === 0 ? '' : (flops / time / 1e9).toFixed(0),
  ];
  return {
    head: ['part', 'ms a pair', 'share', 'GFLOP/s'],
    rows: [
      ...(Object.keys(parts) as Part[])
        .sort((a, b) => seconds[b] - seconds[a])
        .map((part) => row(parts[part], seconds[part], needed[part])),
      row('whole update', total, arithmetic.total),
    ],
  };
}

/** The kernels that take longest. */
export function kernelTable({ kernels, pairs, seconds }: ProfileReport, count: number): Table {
  const total = Object.values(seconds).reduce((sum, each) => sum + each, 0);
  return {
    head: ['operator', 'part', 'calls a pair', 'ms a pair', 'share'],
    rows: kernels
      .slice(0, count)
      .map((kernel) => [
        kernel.operator,
        parts[kernel.part],
        (kernel.calls / pairs).toFixed(0),
        ((1000 * kernel.seconds) / pairs).toFixed(1),
        `${((100 * kernel.seconds) / total).toFixed(1)} %`,
      ]),
  };
}
