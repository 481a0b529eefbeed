import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { ComparisonResult } from '../../../shared/comparison.ts';
import { InputError } from '../../../shared/errors.ts';

const number = z.number().nullable();
const names = z.array(z.string()).nonempty();
const evaluation = z.looseObject({
  pairs: number,
  task: z.looseObject({ questions: number, correct: number, perQuestion: z.array(z.boolean()) }).optional(),
  perPair: z.array(z.object({ index: z.number(), c: number, r: number })).optional(),
});
const run = z.looseObject({
  id: z.string(),
  loss: z.string(),
  learningRate: z.number(),
  seed: z.number(),
  beta: z.number().optional(),
  status: z.enum(['finished', 'diverged']),
  metrics: z.array(z.looseObject({ step: z.number() })),
  evaluation: evaluation.optional(),
});

/** As much of a result's form as is relied on; the file may come from anywhere. */
const resultForm = z.looseObject({
  schema: z.literal(1),
  comparison: z.number().int().positive().optional(),
  command: z.string(),
  versions: z.record(z.string(), z.string()),
  model: z.looseObject({ name: z.string(), hash: z.string(), parameters: z.number() }),
  data: z.looseObject({ name: z.string(), hash: z.string(), trainPairs: z.number(), evalPairs: z.number() }),
  config: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  arms: names,
  learningRates: z.array(z.number()).nonempty(),
  betas: z.array(z.number()).optional(),
  seeds: z.array(z.number()).nonempty(),
  base: evaluation,
  runs: z.array(run),
  sftFirst: z.looseObject({ learningRate: z.number(), runs: z.array(run) }).optional(),
  onlyDiffers: z.array(z.string()),
});

/** The result that a page carries. */
const inPage = /<script type="application\/json" id="result">([^<]*)<\/script>/;

/**
 * The result in a report: a page, a JSON report, or what `compare --json` printed.
 * @throws InputError where the file cannot be read or holds no result
 */
export async function readReport(path: string): Promise<ComparisonResult> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new InputError(`cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      file: path,
    });
  }
  const json = text.trimStart().startsWith('{') ? text : inPage.exec(text)?.[1];
  if (json === undefined)
    throw new InputError('holds no result; reports in HTML and JSON do', { file: path });
  const parsed = resultForm.safeParse(resultIn(json, path));
  if (parsed.success) return parsed.data as unknown as ComparisonResult;
  const [issue] = parsed.error.issues;
  throw new InputError(
    `holds no result that can be read: ${issue!.path.join('.') || 'result'}: ${issue!.message}`,
    { file: path },
  );
}

function resultIn(json: string, path: string): unknown {
  try {
    const value: unknown = JSON.parse(json);
    const { schema, comparison } = value as { readonly schema?: unknown; readonly comparison?: unknown };
    // What `compare --json` prints holds the result under a name.
    return schema !== undefined && typeof comparison === 'object' ? comparison : value;
  } catch {
    throw new InputError('is not JSON that can be read', { file: path });
  }
}
