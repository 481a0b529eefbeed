import { median } from '../training/half-report.ts';
import type { Machine } from '../training/summary.ts';
import type { Table } from '../training/tables.ts';
import type { Agreement } from './agreement.ts';
import type { HalfReport } from './half.ts';
import type { Row } from './rows.ts';

/** One program on one row, over all repeats. */
export interface Side {
  readonly name: string;
  /** New tokens by the seconds from the prompts to the last token. */
  readonly tokensPerSecond: number;
  /** New tokens but the first of each answer, by the seconds after those. */
  readonly decodingPerSecond: number;
  readonly seconds: number;
  readonly newTokens: number;
  readonly peakBytes: number;
  readonly versions: Readonly<Record<string, string>>;
}

export interface RowResult {
  readonly row: Row;
  /** This engine first. */
  readonly sides: readonly Side[];
  readonly agreement?: Agreement;
  /** Of the tokens that float32 weights generate: mean difference of log-probs by the row's weights, and mean magnitude of it, in nats. */
  readonly logProbs?: { readonly mean: number; readonly meanMagnitude: number; readonly tokens: number };
  /** Seconds that one arm took the other program with each batch size, by which its best was chosen. */
  readonly search?: readonly { readonly batch: number; readonly seconds: number }[];
}

export interface Result {
  readonly rows: readonly RowResult[];
  readonly model: string;
  readonly source: string;
  readonly threads: number;
  readonly repeats: number;
  readonly promptTokens: number;
  /** Processes that wanted to run in the last minute, before and after the measurement. */
  readonly load: readonly [number, number];
}

/** @param halves one for each repeat; medians are taken, and the largest peak of memory */
export function sideOf(name: string, halves: readonly HalfReport[]): Side {
  const middle = (of: (half: HalfReport) => number): number => median(halves.map(of));
  const sum = ({ arms }: HalfReport, of: (arm: HalfReport['arms'][number]) => number): number =>
    arms.reduce((total, arm) => total + of(arm), 0);
  const seconds = middle((half) => sum(half, (arm) => arm.seconds));
  const newTokens = sum(halves[0]!, ({ answers }) =>
    answers.reduce((total, { length }) => total + length, 0),
  );
  const first = sum(halves[0]!, ({ answers }) => answers.length);
  const after = middle((half) => sum(half, (arm) => arm.seconds - arm.prompt_seconds));
  return {
    name,
    seconds,
    newTokens,
    tokensPerSecond: newTokens / seconds,
    decodingPerSecond: (newTokens - first) / after,
    peakBytes: Math.max(...halves.map((half) => half.peak_rss_bytes)),
    versions: halves[0]!.versions,
  };
}

/** @param scored log-probs of the same tokens, with float32 weights first */
export function differenceOf(
  scored: readonly [readonly (readonly number[])[], readonly (readonly number[])[]],
): NonNullable<RowResult['logProbs']> {
  const [exact, found] = scored.map((answers) => answers.flat()) as [number[], number[]];
  if (exact.length !== found.length || exact.length === 0) throw new Error('other tokens were scored');
  const differences = found.map((value, place) => value - exact[place]!);
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean: mean(differences), meanMagnitude: mean(differences.map(Math.abs)), tokens: exact.length };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const times = (ratio: number): string => `${ratio.toFixed(2)}×`;

/** A line for each program of each row; ratios are of the whole time. */
export function tableOf({ rows }: Result): Table {
  return {
    head: [
      'work',
      'program',
      'tokens/s',
      'after the first token',
      'time',
      'as fast',
      'equal tokens',
      'peak memory',
    ],
    rows: rows.flatMap(({ row, sides, agreement }) =>
      sides.map((side, place) => {
        const theirs = sides[1];
        const isOurs = place === 0;
        return [
          isOurs ? row.name : '',
          side.name,
          side.tokensPerSecond.toFixed(1),
          side.decodingPerSecond.toFixed(1),
          `${side.seconds.toFixed(1)} s`,
          isOurs && theirs ? times(speedUp(row, side, theirs)) : '',
          isOurs && agreement
            ? `${percent(agreement.tokenShare)}, ${agreement.whole} of ${agreement.answers} answers`
            : '',
          `${(side.peakBytes / 1e9).toFixed(2)} GB`,
        ];
      }),
    ),
  };
}

/** Where answers end by themselves the work is to answer, however many tokens that takes; else it is tokens. */
function speedUp(row: Row, ours: Side, theirs: Side): number {
  return row.obeysEnd ? theirs.seconds / ours.seconds : ours.tokensPerSecond / theirs.tokensPerSecond;
}

/** What was measured, and on what. */
export function linesOf(result: Result, machine: Machine): readonly string[] {
  const { rows, threads, repeats, load } = result;
  const versions = new Map(
    rows.flatMap(({ sides }) => sides.flatMap((side) => Object.entries(side.versions))),
  );
  return [
    `${result.source}: on average ${result.promptTokens.toFixed(0)} tokens of prompt; ${result.model}, ${threads} threads, ` +
      `${repeats} ${repeats === 1 ? 'repeat' : 'repeats'}, greedy`,
    ...rows.map(({ row, search, logProbs }) => {
      const arms = row.arms > 0 ? ` for each of ${row.arms} adapters` : '';
      const length = row.obeysEnd
        ? `up to ${row.maxTokens} tokens, ended by end tokens`
        : `${row.maxTokens} tokens, whatever they are`;
      const found = search
        ? `; transformers, one adapter: ${search.map(({ batch, seconds }) => `batch ${batch} ${seconds.toFixed(1)} s`).join(', ')}`
        : '';
      const moved = logProbs
        ? `; log-probs of ${logProbs.tokens} tokens by float32 weights move by ${logProbs.meanMagnitude.toFixed(4)} nats on average ` +
          `(mean ${logProbs.mean.toFixed(4)})`
        : '';
      return `${row.name}: ${row.what}; ${row.questions} questions${arms}, answers of ${length}${found}${moved}`;
    }),
    `${machine.cpu}, ${machine.cores} cores, ${(machine.memory_bytes / 2 ** 30).toFixed(0)} GiB, ${machine.platform}; ` +
      `load ${load.map((value) => value.toFixed(1)).join(' before, ')} after`,
    [...versions].map(([name, version]) => `${name} ${version}`).join(', '),
  ];
}
