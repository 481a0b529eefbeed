import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import { openStore } from './database.ts';
import { sampleDataset, sampleModel, sampleRun, temporaryFolder } from './samples.ts';

let folder: ReturnType<typeof temporaryFolder>;
let file: string;
let children: ChildProcess[];

beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder.path, 'plumbline.db');
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  folder.remove();
});

interface Writer {
  /** Standard output's lines so far. */
  readonly lines: string[];
  /** Resolves when this many lines were said. */
  said(count: number): Promise<void>;
  kill(): void;
  /** Resolves with the exit code or the signal, after all output was read. */
  readonly end: Promise<number | string>;
}

function startWriter(mode: string, name = ''): Writer {
  const script = fileURLToPath(new URL('./test-writer.ts', import.meta.url));
  const child = spawn(process.execPath, [script, mode, file, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const lines: string[] = [];
  let waiting: { count: number; resolve: () => void; reject: (reason: Error) => void } | undefined;
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop()!;
    lines.push(...parts);
    if (waiting && lines.length >= waiting.count) waiting.resolve();
  });
  const end = new Promise<number | string>((resolve) => {
    child.on('close', (code, signal) => {
      waiting?.reject(new Error(`the writer ended (${code ?? signal}) after saying ${lines.length} lines`));
      resolve(code ?? signal ?? 'unknown');
    });
  });
  return {
    lines,
    said: (count) =>
      new Promise((resolve, reject) => {
        waiting = { count, resolve, reject };
        if (lines.length >= count) resolve();
      }),
    kill: () => child.kill('SIGKILL'),
    end,
  };
}

function integrity(): unknown {
  const database = new Sqlite(file);
  try {
    return database.pragma('integrity_check', { simple: true });
  } finally {
    database.close();
  }
}

describe('a process killed while it writes', () => {
  it('has kept every batch that putMany returned for, and no part of another', async () => {
    for (const batches of [1, 6, 17, 31]) {
      file = join(folder.path, `killed-${batches}.db`);
      const writer = startWriter('reference');
      await writer.said(batches);
      writer.kill();
      expect(await writer.end).toBe('SIGKILL');
      expect(integrity()).toBe('ok');

      const store = openStore(file);
      const acknowledged = writer.lines.length;
      const hashes = Array.from({ length: (acknowledged + 2) * 64 }, (_, place) => {
        return `${Math.floor(place / 64)}-${place % 64}`;
      });
      const found = store.referenceLogProbs.getMany('context', hashes);
      // The last batch may have been committed without the time to say so.
      expect([acknowledged * 64, (acknowledged + 1) * 64]).toContain(found.size);
      expect([...found.keys()]).toEqual(hashes.slice(0, found.size));
      expect(found.get(`${acknowledged - 1}-63`)?.chosen).toBe(-(acknowledged - 1));
      // And the pass goes on where it was.
      store.referenceLogProbs.putMany('context', [
        [hashes.at(-1)!, { chosen: -1, rejected: -2, chosenTokens: 3, rejectedTokens: 4 }],
      ]);
      expect(store.referenceLogProbs.getMany('context', hashes).size).toBe(found.size + 1);
      store.close();
    }
  });

  it('leaves nothing of a dataset it was importing', async () => {
    const before = openStore(file);
    before.models.add(sampleModel);
    before.close();
    const writer = startWriter('import');
    await writer.said(1);
    writer.kill();
    await writer.end;
    expect(integrity()).toBe('ok');
    const store = openStore(file);
    expect(store.datasets.list()).toEqual([]);
    expect(store.models.list()).toHaveLength(1);
    const again = store.datasets.add(sampleDataset, [
      { kind: 'preference', index: 0, chosen: 'c', rejected: 'r' },
    ]);
    expect([...store.datasets.rows(again.id)]).toHaveLength(1);
    store.close();
  });

  it('leaves the earlier version as it was when it was migrating', async () => {
    const before = openStore(file);
    const model = before.models.add(sampleModel);
    before.close();
    const writer = startWriter('migrate');
    await writer.said(1);
    writer.kill();
    await writer.end;
    expect(integrity()).toBe('ok');
    const store = openStore(file);
    expect(store.models.list()).toEqual([model]);
    store.close();
    expect(readdirSync(folder.path).filter((name) => name.endsWith('.backup'))).toHaveLength(1);
  });
});

describe('two processes', () => {
  it('wait for each other', async () => {
    const store = openStore(file);
    const writer = startWriter('hold', 'theirs');
    await writer.said(1);
    // Blocks until the other process has committed, which this one then sees.
    const seen = store.transaction(() => store.models.list().map(({ name }) => name));
    expect(seen).toEqual(['theirs']);
    expect(() => store.models.add({ ...sampleModel, name: 'theirs' })).toThrow(InputError);
    store.models.add({ ...sampleModel, name: 'ours' });
    store.close();
    expect(await writer.end).toBe(0);
  });

  it('say so plainly when the wait is too long', async () => {
    const store = openStore(file, { busyTimeout: 50 });
    const writer = startWriter('hang', 'theirs');
    await writer.said(1);
    expect(() => store.models.add(sampleModel)).toThrow(InputError);
    expect(() => store.models.add(sampleModel)).toThrow(
      /plumbline\.db: another Plumbline process has been writing for over 0\.05 s/,
    );
    writer.kill();
    await writer.end;
    store.models.add(sampleModel);
    expect(store.models.list()).toHaveLength(1);
    store.close();
  });

  it('write at once without losing anything', async () => {
    const store = openStore(file);
    const run = store.runs.add(sampleRun);
    expect(run.id).toBe(1);
    const names = ['first', 'second'];
    const ends = await Promise.all(names.map((name) => startWriter('share', name).end));
    expect(ends).toEqual([0, 0]);
    for (const name of names) {
      const expected = Array.from({ length: 300 }, (_, step) => step);
      expect(store.metrics.series(run.id, name)).toEqual({ steps: expected, values: expected });
    }
    expect(store.models.list()).toHaveLength(2);
    store.close();
  });

  it('may create the database at the same moment', async () => {
    for (let round = 0; round < 3; round += 1) {
      file = join(folder.path, `new-${round}.db`);
      const writers = ['a', 'b', 'c'].map((name) => startWriter('create', name));
      expect(await Promise.all(writers.map(({ end }) => end))).toEqual([0, 0, 0]);
      const store = openStore(file);
      const names = store.models.list().map(({ name }) => name);
      expect(names.sort()).toEqual(['a', 'b', 'c']);
      store.close();
    }
  });
});
