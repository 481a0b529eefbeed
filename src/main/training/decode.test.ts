import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { importModel } from '../formats/import-model.ts';
import { endTokens } from './decode.ts';
import { openBase, supportedArchitectures } from './model.ts';

const bundled = fileURLToPath(new URL('../../../resources/example/model', import.meta.url));

async function endTokensWith(eos: unknown): Promise<number[]> {
  const work = mkdtempSync(join(tmpdir(), 'plumbline-decode-'));
  onTestFinished(() => rmSync(work, { recursive: true, force: true }));
  const folder = join(work, 'model');
  cpSync(bundled, folder, { recursive: true });
  if (eos !== undefined) {
    writeFileSync(join(folder, 'generation_config.json'), JSON.stringify({ eos_token_id: eos }));
  }
  const imported = await importModel(folder, join(work, 'store'), { supported: supportedArchitectures });
  return endTokens(openBase(imported));
}

// The bundled model's config.json and tokenizer name token 0.
test.each([
  ['absent', undefined, [0]],
  ['one', 7, [7, 0]],
  ['several, as Llama 3 Instruct has', [0, 7, 9], [0, 7, 9]],
  ['null', null, [0]],
])('an answer ends at the tokens of generation_config.json: %s', async (_name, eos, expected) => {
  expect(await endTokensWith(eos)).toEqual(expected);
});
