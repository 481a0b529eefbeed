import type { CallOptions, TraceRequest, TraceResult } from '../../shared/contract.ts';
import type { ComparisonResult } from '../../shared/comparison.ts';
import { InputError } from '../../shared/errors.ts';
import { comparisonOfNumber, reportNumbers, type ReportNumber } from '../../shared/report/numbers.ts';
import { comparisonOf } from './compare.ts';
import { thinnedMetrics } from './comparison-metrics.ts';
import type { Library } from './library.ts';
import { readReport } from './report/read.ts';

/**
 * What a report's number is made of, read and calculated anew out of the record.
 * @throws InputError where there is no such number, or the record does not hold the report's comparison
 */
export async function trace(
  library: Library,
  request: TraceRequest,
  { signal }: CallOptions,
): Promise<TraceResult> {
  if (request.report === undefined) {
    const comparison = comparisonOfNumber(request.number);
    if (comparison === undefined)
      throw new InputError(
        `"${request.number}" is no number's id, such as c1.task.minor-dpo.lr1e-3.mean; reports list them`,
      );
    const numbers = reportNumbers(await recordedResult(library, comparison, signal));
    return chain(numbers, find(numbers, request.number));
  }
  const reported = await readReport(request.report);
  const { comparison } = reported;
  if (comparison === undefined)
    throw new InputError('does not say which comparison it is of: an earlier version made it', {
      file: request.report,
    });
  const asked = find(reportNumbers(reported), request.number);
  const result = await recordedResult(library, comparison, signal);
  if (result.model.hash !== reported.model.hash || result.data.hash !== reported.data.hash)
    throw new InputError(`comparison ${comparison} of this record is not the report's: other model or data`, {
      file: request.report,
    });
  const numbers = reportNumbers(result);
  const traced = chain(numbers, find(numbers, asked.id));
  return { ...traced, reported: { value: asked.value, same: asked.value === traced.number.value } };
}

async function recordedResult(
  { store }: Library,
  comparison: number,
  signal?: AbortSignal,
): Promise<ComparisonResult> {
  const entry = store.comparisonList.get(comparison);
  if (!entry) throw new InputError(`there is no comparison ${comparison}; see: plumbline comparisons list`);
  const result = await comparisonOf(store, store.jobs.get(entry.job)!, thinnedMetrics, signal);
  if (!result) throw new InputError(`comparison ${comparison} has no results yet`);
  return result;
}

const partsOf = (text: string): string[] =>
  text
    .toLowerCase()
    .split(',')
    .map((part) => part.trim().replace(/\s+/g, ' '))
    .filter((part) => part !== '');

/** A number by its id, or by words of its label; where several fit, the one mean among them is meant. */
function find(numbers: readonly ReportNumber[], asked: string): ReportNumber {
  const byId = numbers.find(({ id }) => id === asked);
  if (byId) return byId;
  const parts = partsOf(asked);
  const fitting = numbers.filter(({ label }) => {
    const own = new Set(partsOf(label));
    return parts.every((part) => own.has(part));
  });
  const means = fitting.filter(({ statistic }) => statistic === 'mean');
  const [only, ...others] = means.length === 1 ? means : fitting;
  if (only && others.length === 0) return only;
  if (only) {
    const some = [only, ...others].slice(0, 4).map(({ id }) => id);
    throw new InputError(
      `"${asked}" may be ${fitting.length} numbers: ${some.join(', ')}${fitting.length > 4 ? ' …' : ''}`,
    );
  }
  throw new InputError(
    `this comparison has no number "${asked}"; its report lists all (runs report --format csv)`,
  );
}

/** A number with all that it is calculated from, each once, in the order in which they are met. */
function chain(numbers: readonly ReportNumber[], number: ReportNumber): TraceResult {
  const byId = new Map(numbers.map((each) => [each.id, each]));
  const met = new Set<ReportNumber>();
  const visit = (each: ReportNumber): void => {
    if (met.has(each)) return;
    met.add(each);
    for (const id of each.from) visit(byId.get(id)!);
  };
  visit(number);
  met.delete(number);
  return { number, from: [...met] };
}
