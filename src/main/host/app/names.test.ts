import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { MethodName, RequestOf } from '../../../shared/app/api.ts';
import { methodNames, methods } from '../../../shared/app/methods.ts';
import type { Policy, Services } from '../../../shared/contract.ts';
import { createServices } from '../../service/index.ts';
import { createBridge, type Bridge } from './bridge.ts';
import { recorded, TestPage } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-names-'));
const calls: string[] = [];
let services: Services;
let bridge: Bridge;
let page: TestPage;
let last = 0;

/** A file and a folder that could be read if their paths were taken for names, and things that bear names. */
const file = join(folder, 'pairs.jsonl');
const modelFolder = join(folder, 'model');

beforeAll(async () => {
  writeFileSync(file, `${JSON.stringify({ prompt: 'p', chosen: 'c', rejected: 'r' })}\n`);
  mkdirSync(modelFolder);
  writeFileSync(join(modelFolder, 'config.json'), '{}');
  const home = join(folder, 'home');
  services = await createServices({ home });
  await services.addData({ path: file, name: 'known' });
  await services.addProject({ name: 'project' });
  const log = (): void => undefined;
  bridge = await createBridge({ services: recorded(services, calls), home, host: 'web', log });
  page = new TestPage();
  bridge.connect(page);
});
afterAll(async () => {
  await bridge.close();
  await services.close();
  rmSync(folder, { recursive: true, force: true });
});

async function ask(method: string, request: unknown): ReturnType<TestPage['answer']> {
  last += 1;
  calls.length = 0;
  page.say({ kind: 'call', id: last, method, request });
  return page.answer(last);
}

const generation = { prompt: 'p', chat: false, maxTokens: 1, temperature: 0, topP: 1, seed: 0 };
const score = { prompt: 'p', chat: false, completion: 'c' };
type Training = Extract<RequestOf<'planWork'>['work'], { kind: 'training' }>['request'];
type Experiment = Extract<RequestOf<'planWork'>['work'], { kind: 'experiment' }>['request'];
const training = (more: Partial<Training>): RequestOf<'planWork'>['work'] => ({
  kind: 'training',
  request: { model: modelFolder, data: 'known', config: { loss: 'dpo' }, ...more },
});
const experiment = (more: Partial<Experiment>): RequestOf<'planWork'>['work'] => ({
  kind: 'experiment',
  request: {
    model: modelFolder,
    data: 'known',
    arms: ['dpo'],
    learningRates: [1e-5],
    seeds: [0],
    shared: { evalShare: 0.5 },
    ...more,
  },
});
/** With a path wherever a name can stand; everything else in it is as it should be. */
const works = [
  training({}),
  training({ data: file }),
  training({ project: file }),
  training({ config: { loss: 'dpo', evalData: file } }),
  experiment({}),
  experiment({ data: file }),
  experiment({ project: file }),
  experiment({ shared: { evalData: file } }),
  experiment({ task: { data: file } }),
];

const judgement = { chat: false, maxTokens: 1, temperature: 0, topP: 1 };
const two = (first: Policy, second: Policy): readonly [Policy, Policy] => [first, second];

/** Of every method whose request can name something: requests that name a path there. */
const withPaths: { readonly [Method in MethodName]?: readonly RequestOf<Method>[] } = {
  inspectModel: [{ model: modelFolder }],
  renameModel: [{ model: modelFolder, to: 'other' }],
  removeModel: [{ model: modelFolder, confirmed: true }],
  checkData: [{ file: 'none', model: modelFolder }],
  showData: [{ data: file }, { data: 'known', row: 0, model: modelFolder }],
  dataRows: [{ data: file, from: 0, limit: 1 }],
  searchData: [{ data: file, query: 'q', limit: 1 }],
  editData: [{ data: file, row: 0, set: {} }],
  markData: [{ data: file, select: {}, mark: { kind: 'exclude' } }],
  dataHistory: [{ data: file }],
  undoData: [{ data: file }],
  splitData: [{ data: file, by: { share: 0.5, seed: 0 } }],
  dataDuplicates: [{ data: file, near: false, threshold: 0.5, of: 'rows' }],
  dataLengths: [{ data: file }, { data: 'known', model: modelFolder }],
  dataLeaks: [
    { data: file, against: 'known', threshold: 0.5 },
    { data: 'known', against: file, threshold: 0.5 },
  ],
  removeData: [{ data: file, yes: true }],
  exportData: [{ data: file }],
  planWork: works.map((work) => ({ work })),
  startWork: works.map((work) => ({ work, begin: true })),
  listRuns: [{ project: file }],
  listComparisons: [{ project: file }],
  generateText: [{ policy: { model: modelFolder }, ...generation }],
  scoreText: [{ policy: { model: modelFolder }, ...score }],
  startJudging: [
    { policies: two({ model: modelFolder }, { run: 1 }), prompts: { texts: ['p'] }, ...judgement },
    { policies: two({ run: 1 }, { model: modelFolder }), prompts: { texts: ['p'] }, ...judgement },
    { policies: two({ run: 1 }, { run: 2 }), prompts: { data: file, side: 'all' }, ...judgement },
    { policies: two({ run: 1 }, { run: 2 }), prompts: { texts: ['p'] }, project: file, ...judgement },
  ],
  listJudgings: [{ project: file }],
};

/** Names of all properties that a schema knows, at any depth. */
function properties(schema: unknown): Set<string> {
  const found = new Set<string>();
  const visit = (part: unknown): void => {
    if (typeof part !== 'object' || part === null) return;
    const { properties: own } = part as { properties?: Record<string, unknown> };
    if (own && typeof own === 'object') for (const name of Object.keys(own)) found.add(name);
    for (const inner of Object.values(part)) visit(inner);
  };
  visit(schema);
  return found;
}

describe('names that are paths', () => {
  it('are tried with every method that has a field for a name', () => {
    const fields = ['model', 'data', 'against', 'project', 'policy', 'task', 'work'];
    const naming = methodNames.filter((method) => {
      const own = properties(z.toJSONSchema(methods[method]));
      return fields.some((field) => own.has(field));
    });
    expect(Object.keys(withPaths).sort()).toEqual([...naming].sort());
  });

  const cases = Object.entries(withPaths).flatMap(([method, requests]) =>
    requests.map((request) => [method as MethodName, request] as const),
  );
  it.each(cases)('%s refuses %j before anything else is asked', async (method, request) => {
    const answer = await ask(method, request);
    expect(answer).toMatchObject({ kind: 'failed', error: { type: 'input' } });
    expect(answer.kind === 'failed' && answer.error.message).toMatch(
      /there is no \w+ of this name in the library$/,
    );
    expect(new Set(calls)).toEqual(new Set(['isKnown']));
  });

  it.each([
    training({ model: 'm', config: { loss: 'dpo', initAdapter: modelFolder } }),
    training({ model: 'm', config: { loss: 'dpo', reference: modelFolder } }),
    experiment({ shared: { initAdapter: modelFolder } }),
    experiment({ shared: { reference: './adapter' } }),
  ])('are no settings either: %j', async (work) => {
    for (const [method, request] of [
      ['planWork', { work }],
      ['startWork', { work, begin: true }],
    ] as const) {
      const answer = await ask(method, request);
      expect(answer).toMatchObject({ kind: 'failed', error: { type: 'usage' } });
      expect(answer.kind === 'failed' && answer.error.message).toMatch(/is a file of the machine/);
      expect(calls).toEqual([]);
    }
  });

  it.each(['../x', '/etc/hosts', 'a/b', 'a\\b', '.', '..', '~root', 'C:\\x'])(
    'cannot be given to anything: %s',
    async (name) => {
      for (const [method, request] of [
        ['addModel', { file: 'none', name }],
        ['addData', { file: 'none', name }],
        ['judgingToData', { judging: 1, name }],
      ] as const) {
        const answer = await ask(method, request);
        expect(answer.kind === 'failed' && answer.error.message).toContain('a name must hold no slashes');
        expect(calls).toEqual([]);
      }
    },
  );
});

it('takes what bears a name', async () => {
  expect(await ask('showData', { data: 'known' })).toMatchObject({ kind: 'result' });
  expect(calls).toContain('showData');
  expect(await ask('listRuns', { project: 'project' })).toMatchObject({
    kind: 'result',
    result: { runs: [] },
  });
});
