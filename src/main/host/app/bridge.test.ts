import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostMessage } from '../../../shared/app/protocol.ts';
import type { CallOptions, ProgressEvent, Services } from '../../../shared/contract.ts';
import { InputError } from '../../../shared/errors.ts';
import { createServices } from '../../service/index.ts';
import { createBridge, type Bridge } from './bridge.ts';
import { ProgressThrottle } from './progress-throttle.ts';
import { TestPage } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-bridge-'));
const home = join(folder, 'home');
const logged: string[] = [];
let services: Services;
let bridge: Bridge;
/** What `doctor` does in place of its work: real trouble is hard to make on request. */
let trouble: (call: CallOptions) => Promise<never>;

beforeAll(async () => {
  services = await createServices({ home });
  const troubled: Services = { ...services, doctor: (_request, call = {}) => trouble(call) };
  bridge = await createBridge({
    services: troubled,
    home,
    host: 'desktop',
    log: (text) => void logged.push(text),
  });
});
afterAll(async () => {
  await bridge.close();
  await services.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(): TestPage {
  const page = new TestPage();
  bridge.connect(page);
  return page;
}
const doctor = { method: 'doctor', request: { fix: false, free: false, confirmed: false } };
const list = { method: 'listProjects', request: {} };
/** Ends when it is told to, as long calls do. */
const untilAborted = ({ signal }: CallOptions): Promise<never> =>
  new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason as Error)));

describe('calls', () => {
  it('are answered once each, by their numbers', async () => {
    const page = open();
    for (const id of [7, 3, 5]) page.say({ kind: 'call', id, ...list });
    await Promise.all([7, 3, 5].map((id) => page.answer(id)));
    await sleep(10);
    expect(page.sent.map((message) => 'id' in message && message.id).sort()).toEqual([3, 5, 7]);
    page.close();
  });

  it('tell a page what a person can do there, not what on a command line', async () => {
    const page = open();
    page.say({ kind: 'call', id: 1, method: 'showRun', request: { run: 999 } });
    page.say({ kind: 'call', id: 2, method: 'showComparison', request: { comparison: 999 } });
    expect(await page.answer(1)).toMatchObject({ error: { message: 'there is no run 999' } });
    expect(await page.answer(2)).toMatchObject({ error: { message: 'there is no comparison 999' } });
    page.close();
  });

  it('are at most 64 at a time', async () => {
    trouble = untilAborted;
    const page = open();
    for (let id = 0; id < 100; id += 1) page.say({ kind: 'call', id, ...doctor });
    for (let id = 64; id < 100; id += 1)
      expect(await page.answer(id)).toMatchObject({ kind: 'failed', error: { type: 'usage' } });
    expect(page.sent).toHaveLength(36);
    // One that ends makes room.
    page.say({ kind: 'cancel', id: 0 });
    await page.answer(0);
    page.say({ kind: 'call', id: 100, ...list });
    expect(await page.answer(100)).toMatchObject({ kind: 'result' });
    page.close();
  });

  it('end when they are cancelled, and those of a closed page by themselves', async () => {
    trouble = untilAborted;
    const page = open();
    page.say({ kind: 'call', id: 1, ...doctor });
    page.say({ kind: 'cancel', id: 99 });
    page.say({ kind: 'cancel', id: 1 });
    expect(await page.answer(1)).toMatchObject({ kind: 'failed', error: { type: 'cancelled' } });
    let ended: unknown;
    trouble = (call) => untilAborted(call).catch((error: unknown) => Promise.reject((ended = error)));
    page.say({ kind: 'call', id: 2, ...doctor });
    await sleep(10);
    expect(ended).toBeUndefined();
    page.close();
    await expect.poll(() => ended).toBeDefined();
    expect(page.sent.filter((message) => 'id' in message && message.id === 2)).toEqual([]);
  });

  it('close the page that gives one number to two', async () => {
    trouble = untilAborted;
    const page = open();
    page.say({ kind: 'call', id: 1, ...doctor });
    page.say({ kind: 'call', id: 1, ...list });
    expect(page.open).toBe(false);
  });

  it('fail with what a person can mend, and tell of nothing else but in the log', async () => {
    const page = open();
    trouble = () => Promise.reject(new InputError('not JSON', { file: 'a.jsonl', row: 3 }));
    page.say({ kind: 'call', id: 1, ...doctor });
    const message = 'a.jsonl, row 3: not JSON';
    expect(await page.answer(1)).toMatchObject({
      error: { type: 'input', message, file: 'a.jsonl', row: 3 },
    });
    logged.length = 0;
    trouble = () => Promise.reject(new TypeError('secret is not a function'));
    page.say({ kind: 'call', id: 2, ...doctor });
    expect(await page.answer(2)).toMatchObject({
      error: { type: 'unexpected', message: 'unexpected error, see the log' },
    });
    expect(JSON.stringify(page.sent)).not.toContain('secret');
    expect(logged).toEqual([expect.stringMatching(/^doctor: TypeError: secret is not a function\n +at /)]);
    page.close();
  });
});

describe('progress', () => {
  it('comes about ten times a second, the last of it in any case, and before the answer', async () => {
    const bar = (done: number): ProgressEvent => ({ kind: 'progress', label: 'l', done, unit: 'rows' });
    const page = open();
    trouble = async ({ onProgress }) => {
      for (let done = 0; done <= 1000; done += 1) {
        onProgress!(bar(done));
        if (done % 2 === 0) await sleep(1);
      }
      onProgress!({ kind: 'note', text: 'n' });
      throw new InputError('end');
    };
    const began = performance.now();
    page.say({ kind: 'call', id: 1, ...doctor });
    await page.answer(1);
    const seconds = (performance.now() - began) / 1000;
    const told = page.sent.filter((message) => message.kind === 'progress').map(({ event }) => event);
    const bars = told.filter((event) => event.kind === 'progress').map(({ done }) => done);
    expect(bars[0]).toBe(0);
    expect(bars.at(-1)).toBe(1000);
    expect(bars).toEqual([...bars].sort((a, b) => a - b));
    expect(bars.length).toBeLessThan(10 * seconds + 3);
    expect(bars.length).toBeGreaterThan(3);
    expect(told).toContainEqual({ kind: 'note', text: 'n' });
    expect(page.sent.at(-1)).toMatchObject({ kind: 'failed' });
    page.close();
  });

  it('leaves no note out until nobody could read them all', () => {
    const sent: ProgressEvent[] = [];
    const throttle = new ProgressThrottle((event) => void sent.push(event));
    for (let text = 0; text < 40; text += 1) throttle.add({ kind: 'note', text: String(text) });
    throttle.flush();
    expect(sent.map((event) => event.kind === 'note' && event.text)).toEqual(
      Array.from({ length: 40 }, (_, text) => String(text)),
    );
  });
});

describe('what changed', () => {
  const topics = (page: TestPage): string[] =>
    page.sent.flatMap((message: HostMessage) => (message.kind === 'changed' ? message.topics : []));

  it('is told to every page, by whichever process it was changed', async () => {
    const pages = [open(), open()];
    // A connection of its own, as another process has.
    const other = await createServices({ home });
    await other.addProject({ name: 'theirs' });
    for (const page of pages) await expect.poll(() => topics(page)).toEqual(['projects']);
    await services.setSetting({ name: 'runsAtOnce', value: '2' });
    for (const page of pages) await expect.poll(() => topics(page)).toEqual(['projects', 'settings']);
    await other.close();
    for (const page of pages) page.close();
  });

  it('is no news for who comes later', async () => {
    const early = open();
    await services.addProject({ name: 'early' });
    await expect.poll(() => topics(early)).toEqual(['projects']);
    const late = open();
    await services.addProject({ name: 'later' });
    await expect.poll(() => topics(late)).toEqual(['projects']);
    for (const page of [early, late]) page.close();
  });

  it('is looked for once for all pages, and not at all without a page', async () => {
    let watching = 0;
    const counted: Services = {
      ...services,
      watch(listener) {
        const unwatch = services.watch(listener);
        watching += 1;
        return () => {
          unwatch();
          watching -= 1;
        };
      },
    };
    const mine = join(folder, 'counted');
    const own = await createBridge({ services: counted, home: mine, host: 'web', log: () => undefined });
    const counts = [watching];
    const pages = [new TestPage(), new TestPage()];
    for (const page of pages) {
      own.connect(page);
      counts.push(watching);
    }
    for (const page of pages) {
      page.close();
      counts.push(watching);
    }
    expect(counts).toEqual([0, 1, 1, 1, 0]);
    await own.close();
  });
});

it('removes uploads and downloads when it is closed, and ends calls', async () => {
  const mine = join(folder, 'mine');
  const own = await createServices({ home: mine });
  const closing = await createBridge({ services: own, home: mine, host: 'web', log: () => undefined });
  const page = new TestPage();
  closing.connect(page);
  page.say({ kind: 'call', id: 1, method: 'diagnostics', request: {} });
  const answer = await page.answer(1);
  const { id } = (answer as { result: { id: string } }).result;
  const { path } = closing.downloads.require(id);
  expect(existsSync(path)).toBe(true);
  await closing.close();
  expect(page.open).toBe(false);
  expect(existsSync(path)).toBe(false);
  await own.close();
});
