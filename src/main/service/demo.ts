import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSharedSettings } from '../../shared/config.ts';
import { demoSettings } from '../../shared/demo.ts';
import { InputError } from '../../shared/errors.ts';
import { compare } from './compare.ts';
import type { CallOptions, CompareResult, DemoRequest } from '../../shared/contract.ts';
import { addModel, type Library } from './library.ts';

/** The bundled model and data (resources/example, made by scripts/make-example.ts). */
export const bundledExample = fileURLToPath(new URL('../../../resources/example', import.meta.url));

/** Both losses on the bundled example, at a calm learning rate and at one that strains them. */
export async function demo(
  library: Library,
  { home, example }: { readonly home: string; readonly example: string },
  request: DemoRequest,
  call: CallOptions,
): Promise<CompareResult> {
  if (!existsSync(join(example, 'model', 'config.json'))) {
    throw new InputError('the bundled example is missing; run "npm run make-example"', { file: example });
  }
  const { model } = await addModel(library, join(example, 'model'), undefined, call, 'example');
  return compare(
    library,
    {
      model: model.name,
      data: join(example, 'train.jsonl'),
      ...demoSettings,
      shared: parseSharedSettings({
        ...demoSettings.shared,
        evalData: join(example, 'eval.jsonl'),
        ...(request.threads === undefined ? {} : { threads: request.threads }),
      }),
      taskData: join(example, 'test.jsonl'),
      report: request.report ?? join(home, 'demo.html'),
    },
    call,
  );
}
