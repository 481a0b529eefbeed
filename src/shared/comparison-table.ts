import { collapses } from './collapse.ts';
import { divergencePoints } from './divergence-point.ts';
import { describePairing, describePoint, describeStart, gridPoints, runsOf } from './comparison.ts';
import { measures } from './measures.ts';
import type { ComparisonResult, GridPoint, RunResult } from './comparison.ts';
import type { Measure } from './measures.ts';
import {
  commonDecimals,
  formatBeta,
  formatFixed,
  formatLearningRate,
  formatShare,
  wrapText,
} from './format.ts';
import { usesBeta } from './losses.ts';
import type { MetricName } from './metrics.ts';
import { mean } from './statistics/descriptive.ts';
import { summarise, type SeedSummary } from './summaries.ts';
import { select, selectionLines } from './selection.ts';
import { verdict, verdictLine } from './verdict.ts';

export type { SeedSummary };

const width = 100;
/** Columns of an arm's name: one with a parameter in full, or where the table leaves little room. */
const armWidths = { wide: 24, narrow: 10 };

/** One arm at one learning rate and β, over its finished runs. */
export interface CellSummary {
  readonly loss: string;
  readonly learningRate: number;
  /** Where the comparison has several and the loss uses it. */
  readonly beta?: number;
  readonly runs: readonly RunResult[];
  readonly finished: number;
  readonly measures: Readonly<Record<Measure['name'], SeedSummary>>;
  /** Mean over the last tenth of the steps. */
  readonly finalLoss: SeedSummary;
  readonly finalGateOpen: SeedSummary;
}

/** A metric at the end of a run: mean over the last tenth of its steps, since single batches are noisy. */
export function finalMetric(run: RunResult, name: MetricName): number | undefined {
  const last = run.metrics.slice(-Math.ceil(run.metrics.length / 10));
  const values = last
    .map((step) => step[name])
    .filter((value) => value !== undefined && value !== null && Number.isFinite(value));
  return values.length === 0 ? undefined : mean(values as number[]);
}

/**
 * A comparison's cells by learning rate: first the arms that ignore β where there are several, which appear once, then
 * by β every other arm.
 */
function cellsOf(result: ComparisonResult): (GridPoint & { readonly loss: string })[] {
  const at = (point: GridPoint, arms: readonly string[]) => arms.map((loss) => ({ loss, ...point }));
  if ((result.betas?.length ?? 0) < 2) return gridPoints(result).flatMap((point) => at(point, result.arms));
  const using = result.arms.filter(usesBeta);
  const others = result.arms.filter((loss) => !usesBeta(loss));
  return result.learningRates.flatMap((learningRate) => [
    ...at({ learningRate }, others),
    ...gridPoints({ ...result, learningRates: [learningRate] }).flatMap((point) => at(point, using)),
  ]);
}

/** Summaries of every arm at every learning rate and β. Diverged runs are counted, never averaged in. */
export function summariseCells(result: ComparisonResult): CellSummary[] {
  return cellsOf(result).map(({ loss, ...point }) =>
    summariseRuns(loss, point, runsOf(result, loss, point.learningRate, point.beta)),
  );
}

/** What the SFT that comes first has become, where it does; its c and r are to what it started from. */
export function summariseSftFirst({ sftFirst }: ComparisonResult): CellSummary | undefined {
  return sftFirst && summariseRuns('sft', { learningRate: sftFirst.learningRate }, sftFirst.runs);
}

function summariseRuns(loss: string, point: GridPoint, runs: readonly RunResult[]): CellSummary {
  const finished = runs.filter(({ status }) => status === 'finished');
  const of = Object.fromEntries(
    measures.map((measure) => [
      measure.name,
      summarise(finished.map(({ evaluation }) => evaluation && measure.of(evaluation))),
    ]),
  ) as CellSummary['measures'];
  return {
    loss,
    ...point,
    runs,
    finished: finished.length,
    measures: of,
    finalLoss: summarise(finished.map((run) => finalMetric(run, 'loss'))),
    finalGateOpen: summarise(finished.map((run) => finalMetric(run, 'gate/open'))),
  };
}

/** Values and spreads of one column of summaries as text, with the same decimals throughout. */
export function formatSummaries(
  summaries: readonly SeedSummary[],
  unit: Measure['unit'],
): { readonly value: string; readonly spread: string }[] {
  const decimals = commonDecimals(summaries.map((summary) => summary.mean));
  const format = (value: number | undefined): string =>
    unit === 'share' ? formatShare(value) : formatFixed(value, decimals);
  return summaries.map(({ mean: value, standardDeviation }) => ({
    value: format(value),
    spread: standardDeviation === undefined ? '' : format(standardDeviation),
  }));
}

interface Column {
  readonly heading: string;
  readonly align: 'left' | 'right';
  readonly cells: readonly string[];
}

/** Value ± spread, aligned at the ± over all rows. */
function spreadColumn(heading: string, cells: readonly { value: string; spread: string }[]): Column {
  const valueWidth = Math.max(...cells.map(({ value }) => value.length));
  const spreadWidth = Math.max(...cells.map(({ spread }) => spread.length));
  return {
    heading,
    align: 'right',
    cells: cells.map(({ value, spread }) => {
      const sign = spread === '' ? ' ' : '±';
      return spreadWidth === 0 ? value : value.padStart(valueWidth) + sign + spread.padEnd(spreadWidth);
    }),
  };
}

function layOut(columns: readonly Column[]): string[] {
  const rows = columns[0]!.cells.length;
  const line = (pick: (column: Column) => string): string =>
    columns
      .map((column) => {
        const size = Math.max(column.heading.length, ...column.cells.map((cell) => cell.length));
        const text = pick(column);
        return column.align === 'left' ? text.padEnd(size) : text.padStart(size);
      })
      .join('  ')
      .trimEnd();
  const heading = line((column) => column.heading);
  const body = Array.from({ length: rows }, (_, row) => line((column) => column.cells[row]!));
  const longest = Math.max(heading.length, ...body.map((text) => text.length));
  return [heading, '─'.repeat(longest), ...body];
}

const headings: Readonly<Record<Measure['name'], string>> = {
  task: 'task %',
  preference: 'pref %',
  c: 'c',
  r: 'r',
  margin: 'c − r',
  kl: 'KL/token',
  length: 'tokens',
  cut: 'cut %',
  repetition: 'repeat %',
  repeating: 'looping %',
  lengthCorrelation: 'length r',
  shorterChosen: 'shorter %',
  longerChosen: 'longer %',
};

/** What the measures of answers are taken of. */
export function answersNote({ base, runs }: ComparisonResult): string {
  const found = [base, ...runs.map(({ evaluation }) => evaluation)];
  const kl = found.find((evaluation) => evaluation?.klToReference)?.klToReference;
  const decoding = found.find((evaluation) => evaluation?.generation)?.generation?.decoding;
  const of = decoding === 'greedy' ? 'the greedy answers to the task' : 'samples after held-out prompts';
  const klWords = kl
    ? `KL: of the policy to its reference over the whole vocabulary, in nats per token, on ${kl.samples} of its own samples at temperature 1. `
    : '';
  return `${klWords}Of ${of}: mean length in tokens; cut: share cut at the longest; repetition: share of runs of four tokens that stood there before; looping: share of answers where that is above one half.`;
}

/** An arm's name where there is little room: its parameters, or what fits of its loss. */
function narrowArm(arm: string): string {
  const [loss = '', ...parameters] = arm.split(':');
  return shorten(parameters.length > 0 ? parameters.join(':') : loss, armWidths.narrow);
}

const shorten = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length - 1)}…`;

/**
 * A comparison as text for a terminal of 100 columns: the base, one row per learning rate, β and arm (mean over finished
 * seeds ± standard deviation), then the verdicts.
 */
export function renderTable(result: ComparisonResult): string {
  const arms = summariseCells(result);
  const stage = summariseSftFirst(result);
  const cells = stage ? [stage, ...arms] : arms;
  const base = (measure: Measure): SeedSummary => summarise([measure.of(result.base)]);
  const severalBetas = (result.betas?.length ?? 0) > 1;
  const betaText = (beta: number | undefined): string => (beta === undefined ? '–' : formatBeta(beta));
  const armColumn = (nameOf: (arm: string) => string): Column => ({
    heading: 'arm',
    align: 'left',
    cells: ['base', ...cells.map((cell) => (cell === stage ? 'sft first' : nameOf(cell.loss)))],
  });
  const columns: Column[] = [
    {
      heading: 'lr',
      align: 'left',
      cells: ['', ...cells.map((cell) => formatLearningRate(cell.learningRate))],
    },
    ...(severalBetas
      ? [{ heading: 'β', align: 'left' as const, cells: ['', ...cells.map(({ beta }) => betaText(beta))] }]
      : []),
    armColumn((arm) => shorten(arm, armWidths.wide)),
    {
      heading: 'seeds',
      align: 'right',
      cells: ['', ...cells.map(({ finished, runs }) => `${finished}/${runs.length}`)],
    },
  ];
  const measured = (group: Measure['group']): Column[] =>
    measures.flatMap((measure) => {
      if (measure.group !== group) return [];
      const summaries = [base(measure), ...cells.map((cell) => cell.measures[measure.name])];
      if (summaries.every(({ seeds }) => seeds === 0)) return [];
      return [spreadColumn(headings[measure.name], formatSummaries(summaries, measure.unit))];
    });
  const named = columns.slice(0, -1);
  columns.push(...measured('held-out'));
  const answers = measured('answers');
  const plain = (heading: string, of: (cell: (typeof cells)[number]) => SeedSummary): Column => ({
    heading,
    align: 'right',
    cells: ['', ...formatSummaries(cells.map(of), 'nats').map(({ value }) => value)],
  });
  columns.push(plain('loss', (cell) => cell.finalLoss));
  columns.push(plain('gate', (cell) => cell.finalGateOpen));

  const fitted = (wide: readonly Column[]): string[] => {
    const lines = layOut(wide);
    if (lines.every((line) => line.length <= width)) return lines;
    return layOut(wide.map((column) => (column.heading === 'arm' ? armColumn(narrowArm) : column)));
  };

  const diverged = arms.flatMap(({ runs, learningRate, beta }) =>
    runs
      .filter(({ status }) => status === 'diverged')
      .map((run) => ({
        ...run,
        point: describePoint({ learningRate, ...(beta === undefined ? {} : { beta }) }),
      })),
  );
  const notes = [
    'Mean over finished seeds ± standard deviation. task: exact match; pref: held-out pairs with c > r; c, r: log-ratio to the reference in nats per answer; loss, gate (share of pairs with r > 0): training, last tenth of the steps. Losses of different arms are not comparable.' +
      (stage ? ' c and r of SFT first are to what it started from.' : ''),
    ...(answers.length === 0 ? [] : [answersNote(result)]),
    ...diverged.map(
      (run) =>
        `Diverged: ${run.loss} at ${run.point}, seed ${run.seed}${run.divergedAt === undefined ? '' : `, step ${run.divergedAt}`}.`,
    ),
  ];
  // What diverged, and nothing else, is said above run by run.
  const collapsed = collapses(result).filter((each) =>
    each.runs.some((run) => run.collapses.some(({ rule }) => rule !== 'non-finite')),
  );
  // Divergence takes every measure of a cell alike: said once, with the measure that leads.
  const verdicts = verdict(result).filter(({ primary, outcome }) => primary || outcome !== 'diverged');
  const stated = (mark: string, text: string): string[] => wrapText(text, width, mark, '    ');
  const selection = select(result);
  const start = describeStart(result);
  const blocks = [
    fitted(columns),
    answers.length === 0 ? [] : fitted([...named, ...answers]),
    // One arm alone is paired with nothing.
    result.arms.length > 1 ? wrapText(describePairing(result), width) : [],
    start === undefined ? [] : wrapText(start, width),
    [
      ...verdicts.filter(({ primary }) => primary).flatMap((item) => stated('> ', verdictLine(item))),
      ...(selection ? selectionLines(selection).flatMap((line) => stated('> ', line)) : []),
      ...verdicts.filter(({ primary }) => !primary).flatMap((item) => stated('  ', verdictLine(item))),
    ],
    collapsed.flatMap(({ words }) => wrapText(words, width, '! ', '    ')),
    divergencePoints(result, verdicts).flatMap((parting) =>
      wrapText(`${describePoint(parting)}: ${parting.words}`, width, '~ ', '    '),
    ),
    notes.flatMap((note) => wrapText(note, width)),
  ];
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}
