import { describePoint } from '../comparison.ts';
import { measures } from '../measures.ts';
import type { ComparisonResult, GridPoint, RunResult } from '../comparison.ts';
import type { Measure } from '../measures.ts';
import { itemComparisons as compareItems, type ItemComparison } from '../comparison-items.ts';
import { summariseCells, summariseSftFirst, type CellSummary } from '../comparison-table.ts';
import { errorRates, type ErrorRates } from '../error-rates.ts';
import type { MetricName } from '../metrics.ts';
import { select, type Selection } from '../selection.ts';
import { mean, sampleStandardDeviation } from '../statistics/descriptive.ts';
import { verdict, type Verdict } from '../verdict.ts';
import { measuredOf } from './measured.ts';
import { addCollapses, addPartings } from './breaks.ts';
import { Ledger, pointText, type Place, type ReportNumber } from './ledger.ts';
import { evaluationRow, watchReads, type EvaluationRow, type NumberRead } from './reads.ts';

export type { ReportNumber };
import { dashed, numbersIn, wayTo, type NumberUnit } from './statistics.ts';

/** What was found over a result; given where it is at hand, since bootstraps take their time. */
export interface Findings {
  readonly verdicts: readonly Verdict[];
  readonly itemComparisons: readonly ItemComparison[];
  readonly selection?: Selection | undefined;
}

/** Training's own values that a report shows of the end of each run: a field of `CellSummary`, and its metric. */
const trainingEnds: readonly { readonly name: 'finalLoss' | 'finalGateOpen'; readonly metric: MetricName }[] =
  [
    { name: 'finalLoss', metric: 'loss' },
    { name: 'finalGateOpen', metric: 'gate/open' },
  ];

/** The number of the comparison that an id belongs to; undefined where it is none of ours. */
export function comparisonOfNumber(id: string): number | undefined {
  const found = /^c(\d+)\./.exec(id)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** An id without its comparison, which a repetition's has in common. */
export const withoutComparison = (id: string): string => id.replace(/^c\d*\./, '');

/**
 * All numbers of a report: the setup's, each run's, means and spreads, verdicts, comparisons item by item, what was chosen,
 * what collapsed since when and where arms part.
 * Measures and statistics are taken as they come, so a new one is among them by itself. Points of curves are metrics as they
 * stand in the record, and are not listed.
 */
export function reportNumbers(
  result: ComparisonResult,
  findings: Findings = {
    verdicts: verdict(result),
    itemComparisons: compareItems(result),
    selection: select(result),
  },
): ReportNumber[] {
  const ledger = new Ledger(`c${result.comparison ?? ''}`);
  const rates = errorRates(result);
  addSetup(ledger, result);
  addBase(ledger, result);
  const stage = summariseSftFirst(result);
  if (stage) addCell(ledger, result, stage, 'sft-first', 'SFT first');
  for (const cell of summariseCells(result)) addCell(ledger, result, cell, cell.loss, cell.loss);
  addVerdicts(ledger, findings.verdicts, rates);
  addItems(ledger, result, findings.itemComparisons);
  if (findings.selection) addSelection(ledger, result, findings.selection, rates);
  addCollapses(ledger, result);
  addPartings(ledger, result, findings.verdicts);
  return ledger.all();
}

function addSetup(ledger: Ledger, { model, data }: ComparisonResult): void {
  const facts: readonly (readonly [field: string, words: string, value: number])[] = [
    ['parameters', 'parameters', model.parameters],
    ['trainPairs', 'training pairs', data.trainPairs],
    ['evalPairs', 'held-out pairs', data.evalPairs],
    ['skipped', 'rows skipped', data.skipped],
  ];
  for (const [field, words, value] of facts) {
    ledger.add(['setup', dashed(field)], [words], {
      ...{ measure: 'setup', statistic: dashed(field), unit: 'count', value, way: 'as recorded' },
      reads: [{ kind: 'job', field: `facts.${field}`, value }],
    });
  }
}

function addBase(ledger: Ledger, result: ComparisonResult): void {
  const { base, baseEvaluationRow: row } = result;
  const place: EvaluationRow = { evaluation: base, ...(row === undefined ? {} : { row }) };
  for (const { name, label, unit, read } of measuredOf(result)) {
    const { value, reads } = read(place);
    ledger.add([name, 'base'], [label, 'base'], {
      ...{ measure: name, statistic: 'value', arm: 'base', unit, value, way: wayOf(reads), reads },
    });
  }
}

/** How a measure comes of what it reads, as far as its reads tell. */
function wayOf(reads: readonly NumberRead[]): string {
  const fields = reads.map((read) => (read.kind === 'evaluation' ? read.field : ''));
  return fields.length === 1 ? fields[0]! : `of ${fields.join(' and ')}`;
}

function addCell(
  ledger: Ledger,
  result: ComparisonResult,
  cell: CellSummary,
  arm: string,
  armWords: string,
): void {
  const { learningRate, beta, runs } = cell;
  const point: GridPoint = { learningRate, ...(beta === undefined ? {} : { beta }) };
  const at = [arm, pointText(point)];
  const words = [armWords, describePoint(point)];
  const place: Place = { arm, ...point };
  for (const run of runs) addRunFacts(ledger, run, at, words, place);
  const finished = runs.filter(({ status }) => status === 'finished');
  ledger.add(['runs', ...at, 'finished'], ['runs', ...words, 'finished'], {
    ...{ measure: 'runs', statistic: 'finished', ...place, unit: 'count', value: finished.length },
    way: `finished ones of ${runs.length}`,
    from: ledger.known(runs.map((run) => ledger.id(['steps', ...at, `s${run.seed}`]))),
  });
  const summarise = (name: string, label: string, unit: NumberUnit): void => {
    const ids = ledger.known(finished.map((run) => ledger.id([name, ...at, `s${run.seed}`])));
    const values = ids.map((id) => ledger.valueOf(id));
    if (values.length === 0) return;
    const common = { measure: name, ...place, unit, from: ids };
    ledger.add([name, ...at, 'mean'], [label, ...words, 'mean'], {
      ...{ ...common, statistic: 'mean', value: mean(values), way: 'mean over the seeds that finished' },
    });
    if (values.length < 2) return;
    ledger.add([name, ...at, 'sd'], [label, ...words, 'standard deviation'], {
      ...{ ...common, statistic: 'sd', value: sampleStandardDeviation(values) },
      way: 'sample standard deviation over the seeds that finished',
    });
  };
  for (const { name, label, unit, read } of measuredOf(result, beta)) {
    for (const run of runs) {
      const from = evaluationRow(run);
      if (!from) continue;
      const { value, reads } = read(from);
      ledger.add([name, ...at, `s${run.seed}`], [label, ...words, `seed ${run.seed}`], {
        ...{ measure: name, statistic: 'value', ...place, seed: run.seed, unit, value },
        ...{ way: wayOf(reads), reads },
      });
    }
    summarise(name, label, unit);
  }
  for (const { name, metric } of trainingEnds) {
    const label = `training ${metric}`;
    for (const run of finished) {
      const read = lastTenth(run, metric);
      if (!read) continue;
      ledger.add([dashed(name), ...at, `s${run.seed}`], [label, ...words, `seed ${run.seed}`], {
        ...{ measure: dashed(name), statistic: 'value', ...place, seed: run.seed, unit: '' },
        ...{ value: mean(read.values), way: 'mean over the last tenth of the steps', reads: [read] },
      });
    }
    summarise(dashed(name), label, '');
  }
}

function addRunFacts(
  ledger: Ledger,
  run: RunResult,
  at: readonly string[],
  words: readonly string[],
  place: Place,
): void {
  const facts = [
    ['steps', 'last_step', run.steps ?? run.metrics.at(-1)?.step ?? 0, 'count'],
    ['seconds', 'seconds', run.seconds, 'seconds'],
    ['diverged-at', 'diverged_at', run.divergedAt, 'count'],
  ] as const;
  for (const [name, column, value, unit] of facts) {
    if (value === undefined) continue;
    ledger.add([name, ...at, `s${run.seed}`], [name.replace('-', ' '), ...words, `seed ${run.seed}`], {
      ...{ measure: name, statistic: 'value', ...place, seed: run.seed, unit, value, way: 'as recorded' },
      reads: [{ kind: 'run', run: run.id, column, value }],
    });
  }
}

/** The points that `finalMetric` takes its mean of. */
function lastTenth(
  { id, metrics }: RunResult,
  name: MetricName,
): Extract<NumberRead, { kind: 'metrics' }> | undefined {
  const points = metrics
    .slice(-Math.ceil(metrics.length / 10))
    .flatMap(({ step, [name]: value }) =>
      typeof value === 'number' && Number.isFinite(value) ? [{ step, value }] : [],
    );
  if (points.length === 0) return undefined;
  const steps = points.map(({ step }) => step);
  return { kind: 'metrics', run: id, name, steps, values: points.map(({ value }) => value) };
}

const labelOf = (name: Measure['name']): string => measures.find((each) => each.name === name)!.label;
const unitOf = (name: Measure['name']): Measure['unit'] => measures.find((each) => each.name === name)!.unit;

function addVerdicts(ledger: Ledger, verdicts: readonly Verdict[], rates: ErrorRates): void {
  const added: { readonly id: string; readonly measure: string }[] = [];
  for (const each of verdicts) {
    const { measure, primary, arm, against, learningRate, beta } = each;
    const point: GridPoint = { learningRate, ...(beta === undefined ? {} : { beta }) };
    const at = [measure, `${arm}-vs-${against}`, pointText(point)];
    const family = { over: 'the p-values of the measure', rate: primary ? rates.leading : rates.other };
    const ofSeed = (loss: string, seed: number): string[] =>
      // An arm that ignores β stands without it.
      [point, { learningRate }].map((where) => ledger.id([measure, loss, pointText(where), `s${seed}`]));
    const differences = each.differences.map(({ seed }) => ledger.id([...at, `s${seed}`, 'difference']));
    for (const { path, seed, value, unit } of numbersIn(each)) {
      const statistic = path.at(-1)!;
      const from =
        seed !== undefined
          ? [arm, against].flatMap((loss) => ledger.known(ofSeed(loss, seed)).slice(0, 1))
          : ledger.known(differences);
      ledger.add([...at, ...path], [labelOf(measure), `${arm} − ${against}`, describePoint(point), ...path], {
        ...{ measure, statistic, arm, against, ...point, ...(seed === undefined ? {} : { seed }) },
        ...{ value, unit: unit ?? unitOf(measure), way: wayTo(path, family), from },
      });
      if (statistic === 'p-value') added.push({ id: ledger.id([...at, ...path]), measure });
    }
  }
  // Holm's correction makes these of all p-values of a measure.
  const corrected = new Set(['adjusted-p-value', 'half-width', 'level', 'detectable']);
  for (const number of ledger.all()) {
    if (number.against === undefined || !corrected.has(number.statistic)) continue;
    const family = added.filter(({ measure }) => measure === number.measure).map(({ id }) => id);
    ledger.addSources(number, family);
  }
}

/** What runs answered, item by item: the lists that right and wrong are counted in. */
function listsOf(result: ComparisonResult, arms: readonly string[], measure: Measure['name']): NumberRead[] {
  return result.runs
    .filter(({ loss, status }) => arms.includes(loss) && status === 'finished')
    .flatMap((run) => {
      const place = evaluationRow(run);
      if (!place) return [];
      return watchReads(place, ({ task, perPair }) => (measure === 'task' ? task?.perQuestion : perPair))
        .reads;
    });
}

function addItems(ledger: Ledger, result: ComparisonResult, comparisons: readonly ItemComparison[]): void {
  for (const each of comparisons.filter(({ seeds }) => seeds.length > 0)) {
    const { measure, arm, against, learningRate, beta } = each;
    const point: GridPoint = { learningRate, ...(beta === undefined ? {} : { beta }) };
    const at = [measure, `${arm}-vs-${against}`, pointText(point), 'items'];
    const concerned = result.runs.filter(
      (run) => run.learningRate === learningRate && (beta === undefined || (run.beta ?? beta) === beta),
    );
    for (const { path, seed, value, unit } of numbersIn(each)) {
      const runs = seed === undefined ? concerned : concerned.filter((run) => run.seed === seed);
      const words = [labelOf(measure), `${arm} − ${against}`, describePoint(point), 'item by item', ...path];
      ledger.add([...at, ...path], words, {
        ...{ measure, statistic: path.at(-1)!, arm, against, ...point },
        ...{ ...(seed === undefined ? {} : { seed }), value, unit: unit ?? unitOf(measure) },
        ...{ way: wayTo(path), reads: listsOf({ ...result, runs }, [arm, against], measure) },
      });
    }
  }
}

function addSelection(
  ledger: Ledger,
  result: ComparisonResult,
  selection: Selection,
  rates: ErrorRates,
): void {
  const { measure, verdicts, ...halves } = selection;
  const family = { over: 'the arms’ p-values', rate: rates.selected };
  const add = (path: readonly string[], value: number, unit: NumberUnit, place: Place): void => {
    const arms = place.arm === undefined ? result.arms : [place.arm, place.against!];
    const between = place.arm === undefined ? undefined : `${place.arm} − ${place.against!}`;
    const at = place.arm === undefined ? [] : [`${place.arm}-vs-${place.against!}`];
    ledger.add(
      [measure, ...at, 'selected', ...path],
      [labelOf(measure), between, 'each at its best', ...path],
      {
        ...{ measure, statistic: path.at(-1)!, ...place, value, unit, way: wayTo(path, family) },
        reads: listsOf(result, arms, measure),
      },
    );
  };
  for (const { path, value } of numbersIn(halves)) add(path, value, 'count', {});
  for (const each of verdicts) {
    const { arm, against } = each;
    for (const { path, seed, value, unit } of numbersIn(each))
      add(path, value, unit ?? unitOf(measure), { arm, against, ...(seed === undefined ? {} : { seed }) });
  }
}
