import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSharedSettings } from '../../shared/config.ts';
import { demoSettings } from '../../shared/demo.ts';
import { InputError } from '../../shared/errors.ts';
import { compare } from './compare.ts';
import type {
  CallOptions,
  CompareRequest,
  CompareResult,
  DemoRequest,
  OverviewResult,
  QueueExampleResult,
} from '../../shared/contract.ts';
import type { ColumnMap } from '../../shared/preferences.ts';
import type { Comparison } from '../store/comparisons.ts';
import type { Job } from '../store/jobs.ts';
import { addData } from './data/import.ts';
import { enqueueCompare, recoverOrphans, requeue } from './jobs.ts';
import { addModel, type Library } from './library.ts';

/** The bundled model and data (resources/example, made by scripts/make-example.ts). */
export const bundledExample = fileURLToPath(new URL('../../../resources/example', import.meta.url));

const isThere = (example: string): boolean => existsSync(join(example, 'model', 'config.json'));

async function addExampleModel(library: Library, example: string, call: CallOptions): Promise<string> {
  if (!isThere(example)) {
    throw new InputError('the bundled example is missing; run "npm run make-example"', { file: example });
  }
  return (await addModel(library, join(example, 'model'), undefined, call, 'example')).model.name;
}

/** Both losses on the bundled example, at a calm learning rate and at one that strains them. */
export async function demo(
  library: Library,
  { home, example }: { readonly home: string; readonly example: string },
  request: DemoRequest,
  call: CallOptions,
): Promise<CompareResult> {
  const model = await addExampleModel(library, example, call);
  return compare(
    library,
    {
      model,
      data: join(example, 'train.jsonl'),
      ...demoSettings,
      shared: parseSharedSettings({
        ...demoSettings.shared,
        evalData: join(example, 'eval.jsonl'),
        ...(request.threads === undefined ? {} : { threads: request.threads }),
      }),
      taskData: join(example, 'test.jsonl'),
      report: request.report ?? join(home, 'demo.html'),
      example: true,
    },
    call,
  );
}

/**
 * The same for later, with model and data in the library, where a person finds them again. A second call gives the
 * comparison of the first as long as it is there; one that came to no end is put back into the queue.
 * @throws InputError where the example was not shipped along
 */
export async function queueExample(
  library: Library,
  example: string,
  call: CallOptions,
): Promise<QueueExampleResult> {
  recoverOrphans(library);
  const before = madeBefore(library);
  if (before) {
    const cameToNoEnd = ['paused', 'interrupted', 'failed'].includes(before.job.status);
    return queuedExample(library, cameToNoEnd ? requeue(library, before.job.id) : before.job);
  }
  const model = await addExampleModel(library, example, call);
  const add = async (file: string, name: string, map?: ColumnMap): Promise<string> => {
    const request = { path: join(example, file), ...(map === undefined ? {} : { map }) };
    return (await addData(library, request, call, name)).dataset.name;
  };
  const data = await add('train.jsonl', 'example-pairs');
  const evalData = await add('eval.jsonl', 'example-held-out');
  // Questions have no answers to prefer: the right one is what there is to learn from them.
  const taskData = await add('test.jsonl', 'example-questions', {
    prompt: 'prompt',
    completion: 'answer',
    answer: 'answer',
  });
  const request: CompareRequest = {
    model,
    data,
    ...demoSettings,
    // Whoever watches sees more than a loss: what the model answers as it learns.
    shared: parseSharedSettings({ ...demoSettings.shared, evalData, evalEvery: 0.2 }),
    taskData,
    example: true,
  };
  return queuedExample(library, await enqueueCompare(library, request, call));
}

function queuedExample({ store }: Library, { id, comparisonId }: Job): QueueExampleResult {
  const runs = store.runs.list({ jobId: id }).map((run) => run.id);
  return { job: id, runs, comparison: comparisonId! };
}

function madeBefore({ store }: Library): { comparison: Comparison; job: Job } | undefined {
  const comparison = store.comparisons
    .list()
    .findLast(({ config }) => (config as Partial<CompareRequest>).example === true);
  const job = comparison && store.jobs.list().find(({ comparisonId }) => comparisonId === comparison.id);
  return comparison && job && { comparison, job };
}

export function overview(library: Library, example: string): OverviewResult {
  const { store } = library;
  const comparison = madeBefore(library)?.comparison.id;
  return {
    empty:
      store.runList.list({ limit: 1 }).length + store.datasets.list().length + store.models.list().length ===
      0,
    example: { available: isThere(example), ...(comparison === undefined ? {} : { comparison }) },
  };
}
