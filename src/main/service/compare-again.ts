import { existsSync } from 'node:fs';
import type {
  CallOptions,
  CompareAgainRequest,
  CompareAgainResult,
  CompareRequest,
} from '../../shared/contract.ts';
import type { ComparisonResult } from '../../shared/comparison.ts';
import { InputError } from '../../shared/errors.ts';
import { compareRepetition } from '../../shared/report/repeat.ts';
import { resolveData } from '../training/data.ts';
import { compare, comparisonOf } from './compare.ts';
import { thinnedMetrics } from './comparison-metrics.ts';
import { findModel, type Library } from './library.ts';
import { readReport } from './report/read.ts';

/**
 * Carries a report's comparison out again and says whether it came out the same. What earlier evaluations found is not
 * taken: it would be held against itself.
 * @throws InputError where model or data are not here, or are not those of the report
 */
export async function compareAgain(
  library: Library,
  { from, request }: CompareAgainRequest,
  call: CallOptions,
): Promise<CompareAgainResult> {
  const before = await readReport(from);
  const model = await modelOf(library, before, request.model, call);
  const data = await dataOf(library, before, request.data);
  const result = await compare(library, { ...request, model, data, anew: true }, call);
  const { store } = library;
  const { comparison } = result.comparison;
  const job = store.jobs.get(store.comparisonList.get(comparison!)!.job)!;
  // Reports hold long runs thinned: the same points are compared.
  const after = (await comparisonOf(store, job, thinnedMetrics, call.signal))!;
  // Files are read as JSON: values that are not finite have become null.
  const plain = JSON.parse(JSON.stringify(after)) as ComparisonResult;
  return {
    from,
    comparison: comparison!,
    ...compareRepetition(before, plain),
    conditions: conditionsOf(before, after, request),
    ...(result.report === undefined ? {} : { report: result.report }),
    ...(result.out === undefined ? {} : { out: result.out }),
    seconds: result.seconds,
  };
}

/** What has the report's hash, where something here does. */
const elsewhere = (known: { readonly name: string } | undefined): string =>
  known === undefined ? '' : `; that is here as ${known.name}`;

const short = (hash: string): string => hash.slice(0, 16);

/** The model by what it is called, else whatever here has the report's hash. */
async function modelOf(
  library: Library,
  { model: { name, hash } }: ComparisonResult,
  asked: string,
  call: CallOptions,
): Promise<string> {
  const { store } = library;
  const known = store.models.findByHash(hash);
  const isHere = store.models.findByName(asked) !== undefined || existsSync(asked);
  if (!isHere && known) return known.name;
  if (!isHere)
    throw new InputError(
      `the report's model ${name} (hash ${short(hash)}…) is not here; import it, or say where it is with --model`,
      { file: asked },
    );
  const found = await findModel(library, asked, call);
  if (found.hash === hash) return asked;
  throw new InputError(
    `this is not the report's model: its hash is ${short(found.hash)}…, the report's ${short(hash)}…${elsewhere(known)}`,
    { file: asked },
  );
}

async function dataOf(
  { store }: Library,
  { data: { name, hash } }: ComparisonResult,
  asked: string,
): Promise<string> {
  const known = store.datasets.findByHash(hash);
  const isHere = store.datasets.findByName(asked) !== undefined || existsSync(asked);
  if (!isHere && known) return known.name;
  if (!isHere)
    throw new InputError(
      `the report's data ${name} (hash ${short(hash)}…) are not here; import them, or say where they are with --data`,
      { file: asked },
    );
  const found = await resolveData(store, asked);
  if (found.hash === hash) return asked;
  throw new InputError(
    `these are not the report's data: their hash is ${short(found.hash)}…, the report's ${short(hash)}…${elsewhere(known)}`,
    { file: asked },
  );
}

/** What may change last bits and is not the same as when the report was made. */
function conditionsOf(
  before: ComparisonResult,
  after: ComparisonResult,
  { shared }: Pick<CompareRequest, 'shared'>,
): string[] {
  const versions = [...new Set([...Object.keys(before.versions), ...Object.keys(after.versions)])];
  const changed = versions
    .filter((name) => before.versions[name] !== after.versions[name])
    .map(
      (name) =>
        `${name} ${before.versions[name] ?? 'unknown'} before, ${after.versions[name] ?? 'unknown'} now`,
    );
  const [old, now] = [before.config['threads'] ?? undefined, shared.threads];
  const count = (threads: unknown): string =>
    threads === undefined ? 'as many as the machine has' : String(threads);
  return old === now ? changed : [...changed, `threads: ${count(old)} before, ${count(now)} now`];
}
