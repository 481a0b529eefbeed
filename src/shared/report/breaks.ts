import { collapseRules, collapsesOf, courseOf, type Collapse } from '../collapse.ts';
import { describePoint, runsOf } from '../comparison.ts';
import { measures, type Measure } from '../measures.ts';
import type { Verdict } from '../verdict.ts';
import type {
  ComparisonResult,
  Evaluation,
  EvaluationOnTheWay,
  GridPoint,
  RunResult,
} from '../comparison.ts';
import { summariseCells } from '../comparison-table.ts';
import { divergencePoints, type DivergencePoint } from '../divergence-point.ts';
import { pointText, type Ledger } from './ledger.ts';
import { watchReads, type EvaluationRow, type NumberRead } from './reads.ts';
import { numbersIn, wayTo } from './statistics.ts';

const placeOf = ({ evaluation, evaluationRow: row }: EvaluationOnTheWay, run: string): EvaluationRow => ({
  ...{ evaluation: evaluation as Evaluation, run },
  ...(row === undefined ? {} : { row }),
});

const stepRead = ({ step, evaluationRow: row }: EvaluationOnTheWay, run: string): NumberRead => ({
  ...{ kind: 'evaluation-step', run, value: step },
  ...(row === undefined ? {} : { row }),
});

/** What a rule looks at: the base where it does, each evaluation of the run, and the step that it was broken since. */
function readsOf(result: ComparisonResult, run: RunResult, { rule, since }: Collapse): NumberRead[] {
  if (rule === 'non-finite')
    return [{ kind: 'run', run: run.id, column: 'diverged_at', value: run.divergedAt ?? since }];
  const { isBroken } = collapseRules(result.base).find((each) => each.rule === rule)!;
  const { base, baseEvaluationRow: row } = result;
  const ofBase: EvaluationRow = { evaluation: base, ...(row === undefined ? {} : { row }) };
  const found = new Map<string, NumberRead>();
  const keep = (reads: readonly NumberRead[]): void => {
    for (const read of reads) found.set(JSON.stringify(read), read);
  };
  for (const at of courseOf(run)) {
    const watched = watchReads(ofBase, (watchedBase) => {
      const own = watchReads(placeOf(at, run.id), (evaluation) => isBroken(evaluation, at, watchedBase));
      keep(own.reads);
    });
    keep(watched.reads);
    // On the way the answers are the samples themselves.
    if (rule === 'repetition' && at.sampleCount !== undefined && !at.evaluation.generation)
      keep([
        {
          ...{ kind: 'evaluation', run: run.id, field: 'samples', value: { items: at.sampleCount } },
          ...(at.evaluationRow === undefined ? {} : { row: at.evaluationRow }),
        },
      ]);
    if (at.step === since) keep([stepRead(at, run.id)]);
  }
  return [...found.values()];
}

/** Since which step each run breaks each rule, and in how many runs of each cell of the grid. */
export function addCollapses(ledger: Ledger, result: ComparisonResult): void {
  for (const { loss: arm, learningRate, beta, runs } of summariseCells(result)) {
    const point: GridPoint = { learningRate, ...(beta === undefined ? {} : { beta }) };
    const at = [arm, pointText(point)];
    const words = [arm, describePoint(point)];
    const place = { measure: 'collapse', arm, ...point, unit: 'count' as const };
    let collapsed = 0;
    const ids: string[] = [];
    for (const run of runs) {
      const found = collapsesOf(run, result.base);
      if (found.length > 0) collapsed += 1;
      for (const each of found) {
        const parts = ['collapse', ...at, `s${run.seed}`, each.rule];
        ids.push(ledger.id(parts));
        ledger.add(parts, ['collapse', ...words, `seed ${run.seed}`, each.words], {
          ...{ ...place, seed: run.seed, statistic: each.rule, value: each.since },
          way:
            each.rule === 'non-finite'
              ? 'the first step that was not finite'
              : `the first evaluation from which on it held: ${each.words}`,
          reads: readsOf(result, run, each),
        });
      }
    }
    if (collapsed === 0) continue;
    ledger.add(['collapse', ...at, 'runs'], ['collapse', ...words, 'runs'], {
      ...{ ...place, statistic: 'runs', value: collapsed, from: ids },
      way: `runs of ${runs.length} that broke a rule to their end`,
    });
  }
}

/** Each difference at the step where two arms part, and what the interval over seeds makes of all steps. */
export function addPartings(ledger: Ledger, result: ComparisonResult, verdicts: readonly Verdict[]): void {
  for (const parting of divergencePoints(result, verdicts)) {
    const { measure, arm, against, learningRate, beta } = parting;
    const point: GridPoint = { learningRate, ...(beta === undefined ? {} : { beta }) };
    const definition = measures.find(({ name }) => name === measure)!;
    const at = [measure, `${arm}-vs-${against}`, pointText(point), 'parting'];
    const differences = parting.differences.map(({ seed }) => ledger.id([...at, `s${seed}`, 'difference']));
    // Those of seeds come first: the others are calculated from them.
    const found = [...numbersIn(parting)].sort(
      (a, b) => Number(b.seed !== undefined) - Number(a.seed !== undefined),
    );
    for (const { path, seed, value } of found) {
      const statistic = path.at(-1)!;
      const isStep = statistic === 'step';
      ledger.add(
        [...at, ...path],
        [definition.label, `${arm} − ${against}`, describePoint(point), 'where they part', ...path],
        {
          ...{ measure, statistic, arm, against, ...point, ...(seed === undefined ? {} : { seed }), value },
          ...{ unit: isStep ? 'count' : definition.unit, way: wayOf(path, seed) },
          from: seed !== undefined || isStep ? [] : ledger.known(differences),
          reads: seed === undefined && !isStep ? [] : partingReads(result, parting, definition, seed),
        },
      );
    }
  }
}

function wayOf(path: readonly string[], seed: number | undefined): string {
  if (seed !== undefined) return 'the arm’s value less the first arm’s at that step, of the same seed';
  const statistic = path.at(-1)!;
  if (statistic === 'step')
    return 'the first evaluation from which on the 95 % t interval over seeds leaves 0 out, on the same side';
  return statistic === 'difference' ? 'mean of the differences' : wayTo(path);
}

/** Of one seed both arms at the step where they part; of the step itself every evaluation of both, with its step. */
function partingReads(
  result: ComparisonResult,
  { arm, against, learningRate, beta, step, seeds }: DivergencePoint,
  { of }: Measure,
  seed: number | undefined,
): NumberRead[] {
  return [arm, against].flatMap((loss) =>
    runsOf(result, loss, learningRate, beta)
      .filter((run) => (seed === undefined ? seeds.includes(run.seed) : run.seed === seed))
      .flatMap((run) =>
        courseOf(run)
          .filter((at) => seed === undefined || at.step === step)
          .flatMap((at) => [
            ...watchReads(placeOf(at, run.id), of).reads,
            ...(seed === undefined ? [stepRead(at, run.id)] : []),
          ]),
      ),
  );
}
