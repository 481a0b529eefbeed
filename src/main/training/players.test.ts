import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parseRunConfig } from '../../shared/config.ts';
import { importModel } from '../formats/import-model.ts';
import type { StartPlace } from './job.ts';
import { openBase, savePolicy, startPolicy, supportedArchitectures } from './model.ts';
import { Players, type PlayersOptions } from './players.ts';
import type { PolicyPlace, Prompt } from './playground.ts';

const bundled = fileURLToPath(new URL('../../../resources/example/model', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'plumbline-players-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const context = 4000;
let start: StartPlace & { kind: 'base' };
beforeAll(async () => {
  // Room for texts that take longer than a test does.
  const folder = join(scratch, 'model');
  cpSync(bundled, folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, max_position_embeddings: context }));
  const {
    name,
    hash,
    folder: place,
    weightsFolder,
  } = await importModel(folder, join(scratch, 'store'), {
    supported: supportedArchitectures,
  });
  start = { kind: 'base', name, hash, folder: place, weightsFolder };
});

const base: PolicyPlace = { kind: 'base' };
const short: Prompt = {
  prompt: '3 + 4 =',
  chat: false,
  maxTokens: 6,
  temperature: 1,
  topP: 1,
  seed: 0,
};
/** So hot that all 469 tokens are nearly equally likely: an end token is hundreds of tokens away. */
const endless: Prompt = { ...short, temperature: 20, maxTokens: context };

function playersWith(options: PlayersOptions = {}): Players {
  const players = new Players({ threads: 1, ...options });
  onTestFinished(() => players.close());
  return players;
}

/** An adapter of a shape of its own, with numbers that change what the model says. */
function adapter(rank: number): PolicyPlace {
  const folder = join(scratch, `adapter-${rank}`);
  const model = openBase(start);
  const config = parseRunConfig({ loss: 'dpo', lora: { rank, alpha: rank, targets: 'all-linear' } });
  const { trainable, parameters } = startPolicy(model, config);
  savePolicy(folder, { trainable, parameters: parameters.map((_, at) => 0.2 * Math.sin(at)) }, model);
  return { kind: 'adapter', folder };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function untilGone(pid: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (!isAlive(pid)) return;
    await sleep(50);
  }
  throw new Error(`process ${pid} is still there`);
}

/** Calls `then` at the first piece of an endless text. */
function begin(players: Players, then: () => void, signal?: AbortSignal): Promise<unknown> {
  let begun = false;
  return players.generate(start, base, endless, {
    signal,
    onPiece: () => {
      if (!begun) then();
      begun = true;
    },
  });
}

describe('one process for a model', () => {
  it('streams several texts side by side, token by token', async () => {
    const players = playersWith();
    const order: number[] = [];
    const request = { ...short, maxTokens: 40 };
    const column = (number: number, policy: PolicyPlace) =>
      players.generate(start, policy, request, { onPiece: () => order.push(number) });
    const results = await Promise.all([column(0, base), column(1, adapter(4))]);
    expect(results[0].text).not.toBe(results[1].text);
    expect(players.processIds).toHaveLength(1);
    // Once both have begun, neither is ahead by more than a few pieces.
    const both = order.slice(Math.max(order.indexOf(0), order.indexOf(1)));
    let [ahead, most] = [0, 0];
    for (const number of both.slice(0, 40)) {
      ahead += number === 0 ? 1 : -1;
      most = Math.max(most, Math.abs(ahead));
    }
    expect(most).toBeLessThan(8);
    // And what comes out is what comes out of each alone.
    expect(await column(1, adapter(4))).toEqual(results[1]);
  });

  it('cancels one text between tokens and goes on with the others', async () => {
    const players = playersWith();
    const controller = new AbortController();
    const reason = new Error('enough');
    let pieces = 0;
    const cancelled = players.generate(start, base, endless, {
      signal: controller.signal,
      onPiece: () => {
        pieces += 1;
        if (pieces === 5) controller.abort(reason);
      },
    });
    const other = players.generate(start, base, { ...short, maxTokens: 60 });
    await expect(cancelled).rejects.toBe(reason);
    expect(pieces).toBe(5);
    expect((await other).tokens).toBeGreaterThan(0);
    // The process works on nothing any more: it answers at once, and is the same.
    const [pid] = players.processIds;
    await players.generate(start, base, short);
    expect(players.processIds).toEqual([pid]);
  });

  it('ends after a while without work, and not before', async () => {
    const players = playersWith({ idleMilliseconds: 400 });
    await players.generate(start, base, short);
    const [pid] = players.processIds;
    await sleep(150);
    expect(isAlive(pid!)).toBe(true);
    await untilGone(pid!);
    expect(players.processIds).toEqual([]);
    expect((await players.generate(start, base, short)).tokens).toBeGreaterThan(0);
  });

  it('gives way to another before it opens a session too many, once its texts are done', async () => {
    const players = playersWith({ mostSessions: 1 });
    const first = players.generate(start, base, { ...short, maxTokens: 50 });
    await players.score(start, base, { prompt: 'a', chat: false, completion: 'b' });
    const [pid] = players.processIds;
    const second = players.generate(start, adapter(2), short);
    const third = players.generate(start, adapter(2), short);
    expect((await first).tokens).toBeGreaterThan(0);
    expect(await second).toEqual(await third);
    await untilGone(pid!);
    expect(players.processIds).toHaveLength(1);
    expect(players.processIds).not.toContain(pid);
    // The base fits into the adapter's session.
    const [next] = players.processIds;
    await players.generate(start, base, short);
    expect(players.processIds).toEqual([next]);
  });
});

describe('when a side dies', () => {
  it('the process is killed: the calls fail and say so, the next call works', async () => {
    const players = playersWith();
    const pids: number[] = [];
    const failing = begin(players, () => {
      pids.push(...players.processIds);
      process.kill(pids[0]!, 'SIGKILL');
    });
    const other = players.generate(start, base, endless);
    await expect(failing).rejects.toThrow('the process that generates was killed (SIGKILL)');
    await expect(other).rejects.toThrow('the process that generates was killed (SIGKILL)');
    const result = await players.generate(start, base, short);
    expect(result.tokens).toBeGreaterThan(0);
    expect(players.processIds).not.toEqual(pids);
  });

  it('closing ends it in the middle of a text', async () => {
    const players = playersWith();
    let pid = 0;
    const failing = begin(players, () => {
      [pid] = players.processIds as [number];
      void players.close();
    });
    await expect(failing).rejects.toThrow('the process that generates was killed');
    await untilGone(pid);
    await expect(players.generate(start, base, short)).rejects.toThrow('closing');
  });

  it('its starter is killed in the middle of a text: it ends', async () => {
    const module = pathToFileURL(fileURLToPath(new URL('./players.ts', import.meta.url))).href;
    const program = `
      const { Players } = await import(${JSON.stringify(module)});
      const players = new Players({ threads: 1 });
      await players.generate(${JSON.stringify(start)}, { kind: 'base' }, ${JSON.stringify(endless)}, {
        onPiece: () => console.log(players.processIds[0]),
      });`;
    const starter = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [first] = (await once(starter.stdout, 'data')) as [Buffer];
    const pid = Number(first.toString().split('\n')[0]);
    expect(isAlive(pid)).toBe(true);
    starter.kill('SIGKILL');
    await untilGone(pid);
  });

  it('a model that cannot be opened is an error of the call that asks for it', async () => {
    const players = playersWith();
    const gone = { ...start, folder: join(scratch, 'gone'), weightsFolder: join(scratch, 'gone') };
    await expect(players.generate(gone, base, short)).rejects.toThrow('gone');
    await expect(players.generate(gone, base, short)).rejects.toThrow('gone');
  });
});
