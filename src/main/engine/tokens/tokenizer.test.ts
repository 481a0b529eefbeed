import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../shared/errors.ts';
import { loadTokenizer } from './tokenizer.ts';

const fixtures = fileURLToPath(new URL('../../../../test/parity/fixtures/tokens/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A folder with the small tokenizer, some of its files replaced; null leaves one out. */
function folderWith(name: string, files: Record<string, unknown>): string {
  const path = join(folder, name);
  cpSync(fixtures, path, { recursive: true });
  for (const [file, content] of Object.entries(files)) {
    rmSync(join(path, file), { force: true });
    if (content !== null) {
      writeFileSync(join(path, file), typeof content === 'string' ? content : JSON.stringify(content));
    }
  }
  return path;
}

const config = { bos_token: '<|start|>', eos_token: '<|end|>', pad_token: '<|pad|>' };

describe('loadTokenizer', () => {
  it('knows the special tokens, by the order in which the vocabulary was made', () => {
    const tokenizer = loadTokenizer(fixtures);
    expect(tokenizer).toMatchObject({ padTokenId: 0, bosTokenId: 1, eosTokenId: 2, eosToken: '<|end|>' });
    expect(tokenizer.specialTokens).toEqual(config);
    expect(tokenizer.chatTemplate).toContain('add_generation_prompt');
  });

  it('adds the first token to a text unless told otherwise', () => {
    const tokenizer = loadTokenizer(fixtures);
    expect(tokenizer.encode('')).toEqual([1]);
    expect(tokenizer.encode('<|end|>')).toEqual([1, 2]);
    expect(tokenizer.encode('<|end|>', { addSpecialTokens: false })).toEqual([2]);
    expect(tokenizer.decode([])).toBe('');
  });

  it('reads special tokens written as objects, or in special_tokens_map.json, and templates in the configuration', () => {
    const path = folderWith('objects', {
      'chat_template.jinja': null,
      'special_tokens_map.json': { eos_token: { content: '<|end|>', lstrip: false } },
      'tokenizer_config.json': {
        chat_template: [
          { name: 'tool_use', template: 'tools' },
          { name: 'default', template: 'plain' },
        ],
      },
    });
    const tokenizer = loadTokenizer(path);
    expect(tokenizer).toMatchObject({ eosToken: '<|end|>', eosTokenId: 2, chatTemplate: 'plain' });
    expect(tokenizer.bosTokenId).toBeUndefined();
    expect(tokenizer.padToken).toBeUndefined();
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['no tokenizer', { 'tokenizer.json': null }, /tokenizer\.json: no such file$/],
    ['no configuration', { 'tokenizer_config.json': null }, /tokenizer_config\.json: no such file$/],
    ['broken JSON', { 'tokenizer.json': '{"model": ' }, /tokenizer\.json: broken JSON: /],
    ['a list', { 'tokenizer_config.json': [] }, /tokenizer_config\.json: must hold a JSON object$/],
    [
      'no end token',
      { 'tokenizer_config.json': { bos_token: '<|start|>' } },
      /config\.json: names no eos_token$/,
    ],
    ['no model', { 'tokenizer.json': {} }, /tokenizer\.json: is not a tokenizer: it has no "model"$/],
    ['an unknown model', { 'tokenizer.json': { model: { type: 'Odd' } } }, /cannot be used as a tokenizer: /],
  ])('refuses %s', (name, files, message) => {
    const path = folderWith(name, files);
    expect(() => loadTokenizer(path)).toThrow(InputError);
    expect(() => loadTokenizer(path)).toThrow(message);
  });
});
