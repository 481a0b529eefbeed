import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from './database.ts';
import { migrations } from './migrations/index.ts';
import { sampleRun, temporaryFolder } from './samples.ts';

let folder: ReturnType<typeof temporaryFolder>;
let file: string;
let store: Store;

beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder.path, 'plumbline.db');
  store = openStore(file);
});
afterEach(() => {
  store.close();
  folder.remove();
});

const judging = {
  projectId: 1,
  name: 'base against run 3',
  policies: [{ model: 'small' }, { run: 3, step: 20 }],
  prompts: { texts: ['a', 'b', 'c'] },
  settings: { temperature: 0.7 },
  seed: 4_294_967_295,
};
const chat = [{ role: 'user', content: 'Grüße?' }];
const items = [
  { prompt: 'a', firstSide: 0 },
  { prompt: chat, firstSide: 1 },
  { prompt: 'c', firstSide: 1 },
] as const;

describe('judgings', () => {
  it('keep everything of a judging and its items', () => {
    const { id } = store.judgings.add(judging, items);
    store.close();
    store = openStore(file);
    expect(store.judgings.list()).toEqual([
      {
        ...judging,
        id,
        project: 'default',
        items: 3,
        ready: 0,
        voted: 0,
        revealedAt: null,
        createdAt: expect.any(Number) as number,
      },
    ]);
    expect(store.judgings.items(id)).toEqual(
      items.map((item, index) => ({ ...item, index, outputs: null, vote: null })),
    );
    expect(store.judgings.item(id, 3)).toBeUndefined();
    expect(store.judgings.get(id + 1)).toBeUndefined();
  });

  it('keep the first answers given and the last vote', () => {
    const { id } = store.judgings.add(judging, items);
    expect(store.judgings.setOutputs(id, 1, ['one', ''])).toBe(true);
    expect(store.judgings.setOutputs(id, 1, ['two', 'two'])).toBe(false);
    expect(store.judgings.setOutputs(id, 0, ['x', 'y'])).toBe(true);
    store.judgings.setVote(id, 1, 'a');
    store.judgings.setVote(id, 0, 'tie');
    expect(store.judgings.lastVoted(id)).toBe(0);
    store.judgings.setVote(id, 1, 'both-bad');
    expect(store.judgings.lastVoted(id)).toBe(1);
    expect(store.judgings.get(id)).toMatchObject({ ready: 2, voted: 2 });
    expect(store.judgings.item(id, 1)).toMatchObject({ outputs: ['one', ''], vote: 'both-bad' });
    store.judgings.setVote(id, 1, null);
    expect(store.judgings.lastVoted(id)).toBe(0);
    store.judgings.setVote(id, 0, null);
    expect(store.judgings.lastVoted(id)).toBeUndefined();
  });

  it('cannot hold a vote on what nobody has seen, nor half an answer', () => {
    const { id } = store.judgings.add(judging, items);
    expect(() => store.judgings.setVote(id, 0, 'a')).toThrow(/CHECK/);
    const raw = new Sqlite(file);
    expect(() => raw.exec("UPDATE judging_items SET first_output = 'x'")).toThrow(/CHECK/);
    expect(() => raw.exec('UPDATE judging_items SET first_side = 2')).toThrow(/CHECK/);
    raw.close();
  });

  it('are revealed once, and go with their items', () => {
    const { id } = store.judgings.add(judging, items);
    store.judgings.reveal(id);
    const { revealedAt } = store.judgings.get(id)!;
    expect(revealedAt).toBeGreaterThan(0);
    store.judgings.reveal(id);
    expect(store.judgings.get(id)!.revealedAt).toBe(revealedAt);
    expect(store.judgings.remove(id)).toBe(true);
    expect(store.judgings.remove(id)).toBe(false);
    expect(store.judgings.items(id)).toEqual([]);
  });

  it('keep their project', () => {
    const { id: projectId } = store.projects.add('style');
    const { id } = store.judgings.add({ ...judging, projectId }, items);
    expect(store.judgings.get(id)!.project).toBe('style');
    expect(() => store.projects.remove(projectId)).toThrow('judgings belong to this project');
    store.judgings.remove(id);
    store.projects.remove(projectId);
  });

  it('are a list whose changes are seen', () => {
    const seen = (): string => store.changes.fingerprint('judgings');
    const states = new Set([seen()]);
    const { id } = store.judgings.add(judging, items);
    const changes = [
      () => undefined,
      () => void store.judgings.setOutputs(id, 0, ['x', 'y']),
      () => store.judgings.setVote(id, 0, 'a'),
      () => store.judgings.setVote(id, 0, 'b'),
      () => store.judgings.reveal(id),
    ];
    for (const change of changes) {
      change();
      states.add(seen());
    }
    expect(states.size).toBe(changes.length + 1);
  });
});

// Up to the version before this one.
describe.each([1, 2, 3, 4, 5, 6])('a database of version %i', (version) => {
  it('comes forward with its runs and can judge', () => {
    const old = join(folder.path, 'earlier.db');
    const earlier = new Sqlite(old);
    for (const { apply } of migrations.slice(0, version)) apply(earlier);
    earlier.pragma(`user_version = ${version}`);
    earlier.pragma(`application_id = ${0x504c4d42}`);
    earlier.exec(
      `INSERT INTO runs (loss, seed, order_seed, learning_rate, beta, config_json, base_hash, data_hash, status, created_at)
       VALUES ('dpo', 3, 3, 1e-5, 0.1, '{"rank":8}', 'base', 'data', 'finished', 7)`,
    );
    earlier.close();
    const forward = openStore(old);
    expect(forward.runs.list()).toMatchObject([{ id: 1, loss: 'dpo', config: { rank: 8 } }]);
    expect(forward.judgings.list()).toEqual([]);
    const { id } = forward.judgings.add(judging, items);
    forward.runs.add(sampleRun);
    forward.close();
    const again = openStore(old);
    expect(again.judgings.get(id)).toMatchObject({ name: judging.name, items: 3 });
    again.close();
  });
});
