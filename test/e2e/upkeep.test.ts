import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DoctorResult, ListModelsResult, ListProjectsResult } from '../../src/shared/contract.ts';
import { findLeftovers } from '../../src/main/service/doctor/leftovers.ts';
import { ownIdentity } from '../../src/main/store/process-identity.ts';
import {
  filesBelow,
  inStore,
  plumbline,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
  type Outcome,
} from './support.ts';
import { succeed } from './succeed.ts';

const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
const at = (name: string): string => join(folder, name);
const run = (...args: (string | number)[]): Promise<Outcome> => succeed(home, args);
const doctor = async (...args: string[]): Promise<{ code: number; result: DoctorResult }> => {
  const outcome = await plumbline(home, ['doctor', '--json', ...args]);
  return { code: outcome.code, result: outcome.json<DoctorResult>() };
};
const hourAgo = new Date(Date.now() - 3_600_000);
/** ctime can't be set back, so leftovers are looked for as if it were an hour later. */
const places = {
  database: join(home, 'plumbline.db'),
  modelsFolder: join(home, 'models'),
  checkpointFolder: join(home, 'checkpoints'),
  logFolder: join(home, 'logs'),
};
const secret = 'What is 3 plus 24';

beforeAll(async () => {
  writeLines(at('pairs.jsonl'), sums(12));
  writeTinyModel(at('model'), { seed: 1 });
  writeTinyModel(at('halves'), { seed: 2, dtype: 'F16' });
  await run('models', 'add', at('model'), '--name', 'plain');
  await run('models', 'add', at('halves'), '--name', 'converted');
  await run('data', 'add', at('pairs.jsonl'));
  const training = ['--data', at('pairs.jsonl'), '--loss', 'dpo', '--steps', 4, '--checkpoint-every', 2];
  const out = ['--metrics', at('m.jsonl'), '--adapter-out', at('adapter')];
  await run('train', '--model', 'plain', ...training, ...out);
});
afterAll(remove);

describe('doctor', () => {
  it('finds a home without fault in order, and an empty one too', async () => {
    const { code, result } = await doctor();
    expect(result.findings).toEqual([]);
    expect(result).toMatchObject({ healthy: true, removableBytes: 0, freed: false });
    expect(result.checked).toMatchObject({ database: 1, models: 2, adapters: 1 });
    expect(result.checked.checkpoints).toBeGreaterThan(0);
    expect(code).toBe(0);

    const empty = await plumbline(at('nothing yet'), ['doctor', '--json']);
    expect(empty.code).toBe(0);
    expect(empty.json<DoctorResult>().checked.database).toBe(0);
    expect(readdirSync(at('nothing yet'))).toEqual([]);
  });

  it.each([
    ['a converted model', 'model', () => converted()],
    ['a model used where it lies', 'model', () => join(at('model'), 'model.safetensors')],
    ['a checkpoint', 'checkpoint', () => checkpoint()],
    ['an adapter', 'adapter', () => join(at('adapter'), 'adapter_model.safetensors')],
  ])('names %s in which one byte has changed, was cut off, or is gone', async (_, kind, place) => {
    const path = place();
    const whole = readFileSync(path);
    const changed = Buffer.from(whole);
    changed[changed.length - 1]! ^= 1;
    for (const spoil of [
      () => writeFileSync(path, changed),
      () => truncateSync(path, whole.length - 4),
      () => rmSync(path),
    ]) {
      spoil();
      const { code, result } = await doctor();
      expect(result.findings).toHaveLength(1);
      expect(result.findings[0]).toMatchObject({ kind });
      // An adapter lies where the person wanted it; that it is no longer there is theirs to know.
      const broken = !(kind === 'adapter' && !existsSync(path));
      expect(result.findings[0]!.severity).toBe(broken ? 'broken' : 'warning');
      expect([result.healthy, code]).toEqual(broken ? [false, 1] : [true, 0]);
      writeFileSync(path, whole);
    }
    // Stamps of files used in place are by time: what lies there is the same again.
    expect((await doctor()).result.findings).toEqual([]);
  });

  const converted = (): string =>
    inStore(home, (store) => join(store.models.findByName('converted')!.weightsFolder, 'model.safetensors'));
  const checkpoint = (): string => {
    const name = filesBelow(places.checkpointFolder)[0]!;
    return join(places.checkpointFolder, name);
  };

  it('lists what no record needs, and deletes that and nothing else', async () => {
    const before = filesBelow(home).filter((name) => !/plumbline\.db-(wal|shm)$/.test(name));
    const content = 'orphan';
    const sha256 = createHash('sha256').update(content).digest('hex');
    const orphans = [
      join('checkpoints', sha256.slice(0, 2), `${sha256}.safetensors`),
      join('checkpoints', '.0123456789ab.partial'),
      join('checkpoints', '..0123456789ab.partial.abcdefabcdef.partial'),
      join('models', '0123456789abcdef', 'model.safetensors'),
      // Its owner is gone: no process has so high a number.
      join('models', '.0123456789abcdef.99999999.ab.partial', 'model.safetensors'),
      '.demo.html.0123456789ab.partial',
      'plumbline.db.backup.temporary',
      'plumbline.db.version-1.2026-01-01T00-00-00.000Z.backup',
      join('logs', 'job-77.log'),
      join('logs', 'job-77.log.1'),
    ];
    const kept = [
      'plumbline.db.version-2.2026-02-01T00-00-00.000Z.backup',
      // At work on it: this process.
      join('models', `.0123456789abcdee.${process.pid}.ab.partial`, 'model.safetensors'),
      join('checkpoints', 'notes.txt'),
      'my notes.txt',
    ];
    for (const name of [...orphans, ...kept]) {
      mkdirSync(dirname(join(home, name)), { recursive: true });
      writeFileSync(join(home, name), content);
      utimesSync(join(home, name), hourAgo, hourAgo);
    }

    // All of it was written a moment ago, and might be on its way to a record.
    const young = await doctor('--free', '--yes');
    expect(young.result).toMatchObject({ healthy: true, removableBytes: 0, freed: false });
    expect(filesBelow(home)).toEqual(expect.arrayContaining(orphans));

    const later = Date.now() + 3_600_000;
    const found = inStore(home, (store) => findLeftovers(places, store, later));
    const removable = found.filter(({ keep }) => keep === undefined).map(({ path }) => path);
    const top = (name: string): string => (name.startsWith('models') ? dirname(name) : name);
    expect(removable.sort()).toEqual(orphans.map((name) => join(home, top(name))).sort());
    for (const { bytes } of found) expect(bytes).toBe(content.length);

    // A job at work may be about to record a checkpoint.
    const job = inStore(home, (store) => {
      const { id } = store.jobs.add({ kind: 'train', request: {} });
      store.jobs.claim(id, ownIdentity(), 9);
      const busy = findLeftovers(places, store, later);
      expect(busy.find(({ kind }) => kind === 'checkpoint')?.keep).toMatch(/job \d+ is at work/);
      return id;
    });
    inStore(home, (store) => {
      store.jobs.end(job, 'failed', { error: 'over' });
      store.jobs.remove(job);
    });

    // The same an hour later, by a process whose clock says so.
    const clock = `const now = Date.now; Date.now = () => now() + 3_600_000;`;
    writeFileSync(at('later.mjs'), clock);
    const command = (...args: string[]): DoctorResult => {
      const bin = join(import.meta.dirname, '../../bin/plumbline.mjs');
      const { status, stdout } = spawnSync(
        process.execPath,
        ['--import', at('later.mjs'), bin, 'doctor', '--json', '--home', home, ...args],
        { encoding: 'utf8' },
      );
      expect(status).toBe(0);
      return JSON.parse(stdout) as DoctorResult;
    };
    for (const args of [[], ['--free']]) {
      expect(command(...args)).toMatchObject({
        freed: false,
        removableBytes: orphans.length * content.length,
      });
      expect(filesBelow(home)).toEqual(expect.arrayContaining([...orphans, ...kept]));
    }
    expect(command('--free', '--yes')).toMatchObject({
      freed: true,
      freedBytes: orphans.length * content.length,
    });
    const after = filesBelow(home).filter((name) => !/plumbline\.db-(wal|shm)$/.test(name));
    expect(after).toEqual([...before, ...kept].sort());
    for (const name of kept) rmSync(join(home, name), { recursive: true });
    rmSync(dirname(join(home, kept[1]!)), { recursive: true });
    expect((await doctor()).result.findings).toEqual([]);
  });

  it('lists an import that was interrupted, and removes its rows on request', async () => {
    const script = `import { openStore } from ${JSON.stringify(join(import.meta.dirname, '../../src/main/store/database.ts'))};
      const { datasets } = openStore(${JSON.stringify(places.database)});
      const id = datasets.stage({ source: 'half.jsonl', format: 'preference', conversational: false });
      datasets.append(id, [{ row: { kind: 'preference', index: 0, chosen: 'c', rejected: 'r' } }]);
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(child.signal, child.stderr).toBe('SIGKILL');
    for (const args of [[], ['--free']]) {
      const { leftovers } = (await doctor(...args)).result;
      expect(leftovers).toMatchObject([{ kind: 'import', path: 'half.jsonl', bytes: 0 }]);
    }
    expect((await doctor('--free', '--yes')).result).toMatchObject({ freed: true, freedBytes: 0 });
    expect((await doctor()).result.leftovers).toEqual([]);
    inStore(home, (store) => expect(store.datasets.list()).toHaveLength(1));
  });

  it('tells of a job whose process was killed, and settles it on request', async () => {
    const id = inStore(home, (store) => {
      const job = store.jobs.add({ kind: 'train', request: {} });
      store.jobs.claim(job.id, { ...ownIdentity(), pid: 99_999_999 }, 9);
      return job.id;
    });
    const { result, code } = await doctor();
    expect(result.findings).toMatchObject([{ severity: 'warning', kind: 'job', name: `job ${id}` }]);
    expect(code).toBe(0);
    inStore(home, (store) => expect(store.jobs.get(id)?.status).toBe('running'));
    const { result: fixed } = await doctor('--fix');
    expect(fixed).toMatchObject({ findings: [], fixed: [expect.stringContaining(`job ${id} was marked`)] });
    inStore(home, (store) => expect(store.jobs.get(id)?.status).toBe('interrupted'));
  });

  it('says what is wrong with a database that cannot be opened', async () => {
    const other = at('broken home');
    await plumbline(other, ['data', 'add', at('pairs.jsonl')]);
    const file = join(other, 'plumbline.db');
    const bytes = readFileSync(file);
    for (const spoil of [() => bytes.fill(0xff, 100, 4096), () => bytes.fill('x')]) {
      spoil();
      writeFileSync(file, bytes);
      const { code, err, json } = await plumbline(other, ['doctor', '--json']);
      expect(code, err).toBe(1);
      const { healthy, findings } = json<DoctorResult>();
      expect(healthy).toBe(false);
      expect(findings[0]).toMatchObject({ severity: 'broken', kind: 'database', name: file });
      const list = await plumbline(other, ['models', 'list']);
      expect([list.code, list.err]).toEqual([
        1,
        expect.stringMatching(/plumbline\.db: is (damaged|not a database)/),
      ]);
    }
  });
});

describe('diagnostics', () => {
  it('hold logs, versions and errors, and neither data nor paths', async () => {
    const log = join(home, 'logs', 'job-1.log');
    appendFileSync(
      log,
      `2026-01-01T00:00:00.000Z ${at('pairs.jsonl')}, row 3: holds "${secret}" in ${join(homedir(), 'deep/file.txt')}\n`,
    );
    const failing = ['--data', at('pairs.jsonl'), '--loss', 'dpo', '--lr', 1e30, '--steps', 4];
    const out = ['--metrics', at('n.jsonl'), '--adapter-out', at('other adapter')];
    await plumbline(home, ['train', '--model', 'plain', ...failing, ...out]);
    await run('settings', 'set', 'keepCheckpoints', 3);
    const { files } = (await run('diagnostics', '--json', '--out', at('report.tar.gz'))).json<{
      files: string[];
    }>();
    expect(files).toContain('plumbline/logs/job-1.log');
    mkdirSync(at('unpacked'));
    execFileSync('tar', ['-xzf', at('report.tar.gz'), '-C', at('unpacked')]);
    const texts = files.map((name) => readFileSync(join(at('unpacked'), name), 'utf8')).join('\n');
    expect(texts).toContain('pairs.jsonl, row 3: holds "…" in file.txt');
    for (const pair of sums(12)) {
      for (const text of Object.values(pair)) expect(texts).not.toContain(text.trim());
    }
    for (const leak of [secret, folder, basename(folder), dirname(folder), homedir(), 'deep/'])
      expect(texts).not.toContain(leak);
    const report = JSON.parse(readFileSync(join(at('unpacked'), 'plumbline/report.json'), 'utf8')) as {
      versions: Record<string, string>;
      settings: object;
      runs: { status: string }[];
      doctor: { healthy: boolean };
    };
    expect(report.versions).toMatchObject({ node: process.version, plumbline: expect.any(String) });
    expect(report.versions['onnxruntime']).toMatch(/^\d+\.\d+/);
    expect(report.versions['sqlite']).toMatch(/^3\./);
    expect(report.settings).toEqual({ keepCheckpoints: 3 });
    expect(report.runs.map(({ status }) => status)).toContain('finished');
    expect(report.doctor.healthy).toBe(true);
    expect((await plumbline(home, ['diagnostics', '--out', at('report.zip')])).code).toBe(2);
  });
});

describe('projects', () => {
  it('are made, renamed, listed and removed', async () => {
    await run('projects', 'add', 'beta study');
    expect((await plumbline(home, ['projects', 'add', 'beta study'])).err).toMatch(/exists already/);
    await run('projects', 'rename', 'beta study', 'thesis');
    const { projects } = (await run('projects', 'list', '--json')).json<ListProjectsResult>();
    expect(projects.map(({ name }) => name)).toEqual(['default', 'thesis']);
    expect(projects[0]!.runs).toBeGreaterThan(0);
    expect((await plumbline(home, ['projects', 'remove', 'default'])).code).toBe(1);
    expect((await plumbline(home, ['projects', 'remove', 'nobody'])).err).toMatch(
      /there is no project nobody/,
    );
    await run('projects', 'remove', 'thesis');
    expect((await run('models', 'list', '--json')).json<ListModelsResult>().models).toHaveLength(2);
  });
});
