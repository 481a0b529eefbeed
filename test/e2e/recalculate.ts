import type Database from 'better-sqlite3';
import { expect } from 'vitest';
import type { ComparisonResult } from '../../src/shared/comparison.ts';
import type { ReportNumber } from '../../src/shared/report/numbers.ts';
import type { NumberRead } from '../../src/shared/report/reads.ts';
import { crossedBootstrapInterval, pairedBootstrapIntervals } from '../../src/shared/statistics/bootstrap.ts';
import { mean, sampleStandardDeviation } from '../../src/shared/statistics/descriptive.ts';
import { studentInterval, wilsonInterval } from '../../src/shared/statistics/intervals.ts';
import { detectableDifference } from '../../src/shared/statistics/power.ts';
import { holm, mcNemar } from '../../src/shared/statistics/significance.ts';

/**
 * Calculates numbers of a report from what their traces name, by queries of its own.
 * @param runOf the run of each number that is read of one
 */
export function recalculation(
  database: Database.Database,
  comparison: ComparisonResult,
  runOf: ReadonlyMap<string, string>,
): (number: ReportNumber, of: (id: string) => number) => number {
  const one = (sql: string, ...values: (string | number)[]): unknown =>
    database
      .prepare(sql)
      .pluck()
      .get(...values);
  const listOf = (read: NumberRead): unknown[] => {
    if (read.kind !== 'evaluation') throw new Error('no list');
    const text = one(
      `SELECT json_extract(result_json, '$.' || ?) FROM evaluations WHERE id = ?`,
      read.field,
      read.row!,
    );
    return JSON.parse(text as string) as unknown[];
  };

  const stepOf = (row: number): number => one('SELECT step FROM evaluations WHERE id = ?', row) as number;

  /** What a trace says it read, fetched from the database by a query of the test's own. */
  function fetched(read: NumberRead): number[] {
    switch (read.kind) {
      case 'evaluation': {
        const owner = one('SELECT run_id FROM evaluations WHERE id = ?', read.row!);
        expect(owner).toBe(read.run === undefined ? null : Number(read.run));
        if (typeof read.value === 'object') return [listOf(read).length];
        return [
          one(
            `SELECT json_extract(result_json, '$.' || ?) FROM evaluations WHERE id = ?`,
            read.field,
            read.row!,
          ),
        ] as number[];
      }
      case 'metrics':
        return read.steps.map(
          (step) =>
            one(
              `SELECT value FROM metrics JOIN metric_names ON metric_names.id = metric_id
               WHERE run_id = ? AND name = ? AND step = ?`,
              ...[read.run, read.name, step],
            ) as number,
        );
      case 'evaluation-step':
        expect(one('SELECT run_id FROM evaluations WHERE id = ?', read.row!)).toBe(Number(read.run));
        return [stepOf(read.row!)];
      case 'run':
        return [one(`SELECT ${read.column} FROM runs WHERE id = ?`, read.run) as number];
      case 'job':
        return [one(`SELECT json_extract(sources_json, '$.' || ?) FROM jobs`, read.field) as number];
    }
  }

  /** Right or wrong of both arms, seed by seed, out of the rows that a trace names. */
  function answersOf({ arm, against, reads }: ReportNumber): { arm: boolean[]; against: boolean[] }[] {
    const seeds = new Map<number, { arm: boolean[]; against: boolean[] }>();
    for (const read of reads) {
      const { run } = read as { run: string };
      const { loss, seed } = database.prepare('SELECT loss, seed FROM runs WHERE id = ?').get(run) as {
        loss: string;
        seed: number;
      };
      const right = listOf(read).map((item) =>
        typeof item === 'boolean' ? item : (item as { c: number }).c > (item as { r: number }).r,
      );
      const both = seeds.get(seed) ?? { arm: [], against: [] };
      seeds.set(seed, both);
      expect([arm, against]).toContain(loss);
      both[loss === arm ? 'arm' : 'against'] = right;
    }
    return [...seeds.keys()].sort((a, b) => a - b).map((seed) => seeds.get(seed)!);
  }

  /** What was read of each evaluation of runs, by its row, in the order of steps. */
  function readByRow(reads: readonly NumberRead[]) {
    const rows = new Map<number, { run: number; step: number; fields: Map<string, number> }>();
    for (const read of reads) {
      if (read.kind !== 'evaluation' || read.run === undefined) continue;
      const value =
        read.field === 'samples'
          ? mean(listOf(read).map((each) => Number((each as { repetition: number }).repetition > 0.5)))
          : fetched(read)[0]!;
      const known = rows.get(read.row!) ?? {
        ...{ run: Number(read.run), step: stepOf(read.row!) },
        fields: new Map<string, number>(),
      };
      known.fields.set(read.field, value);
      rows.set(read.row!, known);
    }
    return [...rows.values()].sort((a, b) => a.step - b.step);
  }

  /** Since which step a rule was broken to the end, by the rules as the user guide has them. */
  function brokenSince({ statistic, reads }: ReportNumber): number | undefined {
    const rows = readByRow(reads);
    const ofBase = reads
      .filter((read) => read.kind === 'evaluation' && read.field === 'task.perQuestion')
      .flatMap(listOf);
    const isBroken = (fields: ReadonlyMap<string, number>): boolean => {
      const of = (name: string): number => fields.get(name)!;
      if (statistic === 'kl') return of('klToReference.perToken') > 1;
      if (statistic === 'repetition') return (fields.get('generation.repeatingShare') ?? of('samples')) > 0.5;
      const asked = of('task.questions');
      const right = ofBase.slice(0, asked).filter(Boolean).length;
      return of('task.correct') / asked < wilsonInterval(right, asked, 0.95).low;
    };
    if (statistic === 'kl') {
      const measured = `SELECT count(*) FROM evaluations WHERE run_id = ? AND result_json LIKE '%klToReference%'`;
      expect(rows.length).toBe(one(measured, rows[0]!.run));
    }
    let since: number | undefined;
    for (const { step, fields } of rows) since = isBroken(fields) ? (since ?? step) : undefined;
    return since;
  }

  /** The first step from which on the interval over seeds leaves 0 out on the same side. */
  function partingStep({ reads, measure, arm }: ReportNumber): number | undefined {
    const rows = readByRow(reads);
    const field = measure === 'margin' ? 'meanMargin' : 'preferenceAccuracy';
    let found: { step: number; sign: number } | undefined;
    for (const step of [...new Set(rows.map((row) => row.step))]) {
      const bySeed = new Map<number, number>();
      for (const { run, fields } of rows.filter((row) => row.step === step && row.fields.has(field))) {
        const { loss, seed } = database.prepare('SELECT loss, seed FROM runs WHERE id = ?').get(run) as {
          loss: string;
          seed: number;
        };
        bySeed.set(seed, (bySeed.get(seed) ?? 0) + (loss === arm ? 1 : -1) * fields.get(field)!);
      }
      if (bySeed.size < 3) continue;
      const resolution = measure === 'margin' ? 0 : 1 / comparison.data.evalPairs;
      const { low, high, estimate } = studentInterval([...bySeed.values()], 0.95, resolution);
      if (low <= 0 && high >= 0) found = undefined;
      else if (found?.sign !== Math.sign(estimate)) found = { step, sign: Math.sign(estimate) };
    }
    return found?.step;
  }

  /** A number calculated from what its trace names: rows of the database, and numbers that were calculated so. */
  function calculated(number: ReportNumber, of: (id: string) => number): number {
    const { id, statistic, measure, from, reads } = number;
    const read = reads.flatMap(fetched);
    const values = from.map(of);
    const differences = from.filter((each) => each.endsWith('.difference')).map(of);
    const pValues = from.filter((each) => each.endsWith('.p-value')).map(of);
    const questions = 4;
    const [heldOut] = [comparison.data.evalPairs];
    const resolution = measure === 'task' ? 1 / questions : measure === 'preference' ? 1 / heldOut : 0;
    // Of 5 % the task leads with 4, for the prompts are too few to choose settings; preference and margin share the last one.
    const part = measure === 'task' ? 0.05 - 0.01 : 0.01 / 2;
    const held = (): ReturnType<typeof holm>[number] => {
      const own = studentInterval(differences, 0.95, resolution).pValue;
      return holm(pValues, part)[pValues.indexOf(own)]!;
    };
    if (measure === 'collapse') {
      if (statistic === 'runs') return new Set(from.map((each) => /\.s(\d+)\./.exec(each)![1])).size;
      if (statistic === 'non-finite') return read[0]!;
      expect(reads.find(({ kind }) => kind === 'evaluation-step')).toMatchObject({ value: number.value });
      return brokenSince(number)!;
    }
    if (id.includes('.parting.')) {
      if (statistic === 'step') return partingStep(number)!;
      if (number.seed !== undefined) return read[0]! - read[1]!;
      const interval = studentInterval(differences, 0.95, resolution);
      return statistic === 'difference' ? interval.estimate : interval.halfWidth;
    }
    if (id.includes('.selected.')) {
      // Too few prompts to choose anything: halves of what there is.
      expect(statistic).toMatch(/^(items|prompts)$/);
      return questions / 2;
    }
    if (id.includes('.items.')) {
      if (id.endsWith('.items.items')) return listOf(reads[0]!).length;
      const seeds = answersOf(number);
      if (id.includes('.interval.')) {
        const hashes = one(
          `SELECT json_extract(result_json, ?) FROM evaluations WHERE run_id IS NULL`,
          measure === 'task' ? '$.task.promptHashes' : '$.promptHashes',
        );
        const clusters = JSON.parse(hashes as string) as string[];
        const interval = crossedBootstrapInterval(
          seeds.map((both) => both.arm.map((right, item) => Number(right) - Number(both.against[item]))),
          { seed: 0, clusters },
        );
        return interval[statistic as 'low' | 'high' | 'estimate'];
      }
      const { onlyFirst, onlySecond, exact, midP } = mcNemar(seeds[0]!.arm, seeds[0]!.against);
      return { 'only-arm': onlyFirst, 'only-against': onlySecond, exact, 'mid-p': midP }[statistic]!;
    }
    if (id.includes('.bootstrap.')) {
      const found = pairedBootstrapIntervals(differences, { seed: 0, resamples: 2_000 });
      const interval = id.includes('.percentile.') ? found.percentile : found.biasCorrected;
      return interval[statistic as 'low' | 'high' | 'estimate'];
    }
    switch (statistic) {
      case 'mean':
      case 'mean-difference':
        return mean(values.slice(0, statistic === 'mean' ? undefined : differences.length));
      case 'sd':
        return sampleStandardDeviation(values);
      case 'difference':
        return values[0]! - values[1]!;
      case 'finished':
        return from.filter((each) =>
          one(`SELECT status = 'finished' FROM runs WHERE id = ?`, Number(runOf.get(each))),
        ).length;
      case 'p-value':
        return studentInterval(differences, 0.95, resolution).pValue;
      case 'adjusted-p-value':
        return Math.min(1, (held().adjusted * 0.05) / part);
      case 'level':
        return 1 - held().errorRate;
      case 'half-width':
        return studentInterval(differences, 1 - held().errorRate, resolution).halfWidth;
      case 'detectable': {
        const { standardDeviation } = studentInterval(differences, 0.95, resolution);
        return detectableDifference(standardDeviation, differences.length, part / pValues.length, 0.8);
      }
      default:
        if (measure === 'task') return read[0]! / read[1]!;
        return mean(read);
    }
  }
  return calculated;
}
