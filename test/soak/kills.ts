/**
 * Kills the program at random moments and looks whether anything committed was lost:
 * `node test/soak/kills.ts [--kills 200] [--seed 1]`. A training or its supervisor is killed during steps and
 * checkpoint writes, an import during its rows, a migration on its way; then the database is checked, the work is taken
 * up again, and a resumed run's metrics and adapter are compared byte for byte with those of one that was never killed.
 * The last line is the figure; the exit code is 1 where anything was lost.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Sqlite from 'better-sqlite3';
import { commands } from '../../src/main/host/cli/commands/index.ts';
import { openStore } from '../../src/main/store/database.ts';
import { migrations } from '../../src/main/store/migrations/index.ts';
import { randomGenerator } from '../../src/shared/statistics/random.ts';
import { exactMetrics, scratchFolder, sums, writeLines, writeTinyModel } from '../e2e/support.ts';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
});
const wanted = Number(values.kills);
const random = randomGenerator(Number(values.seed));
const entry = fileURLToPath(new URL('../../bin/plumbline.mjs', import.meta.url));
const { path: folder, remove } = scratchFolder();
const at = (...names: string[]): string => join(folder, ...names);
const problems: string[] = [];
const shown = new Set<string>();
const hasDoctor = commands.some(({ name }) => name === 'doctor');
const kills = { training: 0, supervisor: 0, import: 0, migration: 0 };
const total = (): number => Object.values(kills).reduce((sum, count) => sum + count, 0);
let resumes = 0;
let equal = 0;

const stepsOf = 120;
const trainInto = (home: string): string[] => [
  ...['train', '--model', at('tiny'), '--data', at('pairs.jsonl'), '--loss', 'minor-dpo', '--lr', '1e-2'],
  ...['--batch-size', '2', '--steps', String(stepsOf), '--checkpoint-every', '2'],
  ...['--metrics', join(home, 'metrics.jsonl'), '--adapter-out', join(home, 'adapter')],
];

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  readonly output: () => string;
}
function start(home: string, args: readonly string[]): Running {
  const child = spawn(process.execPath, [entry, ...args, '--home', home, '--threads', '1']);
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (output += data.toString()));
  return { child, ended: once(child, 'close'), output: () => output };
}
async function finish(home: string, args: readonly string[]): Promise<string> {
  const { child, ended, output } = start(home, args);
  await ended;
  if (child.exitCode !== 0) problems.push(`${args.slice(0, 2).join(' ')}: ${output().trim()}`);
  return output();
}

/** Waits for up to `milliseconds`, or until the process ends by itself. True: it still runs. */
async function runsFor({ child, ended }: Running, milliseconds: number): Promise<boolean> {
  await Promise.race([ended, sleep(milliseconds)]);
  return child.exitCode === null && child.signalCode === null;
}

/** False: it had ended by itself. */
function killed(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

/** Everything that must hold of a home folder at any time. */
async function examine(home: string, what: string): Promise<void> {
  const database = new Sqlite(join(home, 'plumbline.db'));
  const found = database.pragma('integrity_check', { simple: true });
  const broken = database.pragma('foreign_key_check') as unknown[];
  database.close();
  if (found !== 'ok' || broken.length > 0)
    problems.push(`${what}: the database is damaged: ${String(found)}`);
  if (!hasDoctor) return;
  const { child, ended, output } = start(home, ['doctor', '--json']);
  await ended;
  if (child.exitCode !== 0) problems.push(`${what}: doctor: ${output().trim().slice(0, 400)}`);
}

const exact = (home: string): string => JSON.stringify(exactMetrics(join(home, 'metrics.jsonl')));
const adapter = (home: string): Buffer => readFileSync(join(home, 'adapter', 'adapter_model.safetensors'));

/** The points that a database holds of its run, as text by step. */
function committed(home: string): Map<number, string> {
  if (!existsSync(join(home, 'plumbline.db'))) return new Map();
  const store = openStore(join(home, 'plumbline.db'));
  const points = store.metrics.points(1).map((point) => [point.step, JSON.stringify(point)] as const);
  store.close();
  return new Map(points);
}

/** One training, killed again and again until it has ended. */
async function train(place: number): Promise<void> {
  const home = at(`train-${place}`);
  mkdirSync(home);
  let args = trainInto(home);
  let before = new Map<number, string>();
  for (let attempt = 0; ; attempt += 1) {
    const running = start(home, args);
    // Some of them early, while it still prepares; later ones among steps and checkpoint writes.
    const alive = total() < wanted && (await runsFor(running, 200 + random() * 2200));
    if (alive && attempt < 5) {
      const worker = random() < 0.5 ? workerOf(home) : undefined;
      if (killed(worker ?? running.child.pid!)) kills[worker === undefined ? 'supervisor' : 'training'] += 1;
    }
    await running.ended;
    const after = committed(home);
    for (const [step, point] of before) {
      // A step computed again has its own time and memory; nothing may be missing.
      if (!after.has(step)) problems.push(`train ${place}: step ${step} is gone: ${point}`);
    }
    before = after;
    if (running.child.exitCode === 0) break;
    if (!alive && running.child.signalCode === null) {
      problems.push(`train ${place}: ${running.output().trim()}`);
      break;
    }
    await examine(home, `train ${place}`);
    // Killed before the run was recorded: there is nothing to resume.
    const recorded = runsIn(home) > 0;
    args = recorded ? ['runs', 'resume', '1'] : trainInto(home);
    if (recorded) resumes += 1;
  }
  if (!existsSync(join(home, 'adapter'))) return;
  const same = exact(home) === exact(at('whole')) && adapter(home).equals(adapter(at('whole')));
  if (same) equal += 1;
  else problems.push(`train ${place}: the resumed run differs`);
  await examine(home, `train ${place} at its end`);
  const files = readdirSync(join(home, 'checkpoints'), { recursive: true, encoding: 'utf8' });
  const partial = files.filter((name) => name.endsWith('.partial'));
  if (partial.length > kills.training + kills.supervisor) problems.push('more partial files than kills');
  rmSync(home, { recursive: true });
}

function runsIn(home: string): number {
  if (!existsSync(join(home, 'plumbline.db'))) return 0;
  const store = openStore(join(home, 'plumbline.db'));
  const count = store.runs.list().length;
  store.close();
  return count;
}
function workerOf(home: string): number | undefined {
  if (!existsSync(join(home, 'plumbline.db'))) return undefined;
  const store = openStore(join(home, 'plumbline.db'));
  const pid = store.jobs.active()[0]?.workerPid;
  store.close();
  return pid ?? undefined;
}

/** An import is killed: what was there before stays, nothing of the new one shows, and it can be imported again. */
async function importData(): Promise<void> {
  const home = at('import');
  const running = start(home, ['data', 'add', at('large.jsonl'), '--name', 'large']);
  if (await runsFor(running, 250 + random() * 1500)) {
    running.child.kill('SIGKILL');
    kills.import += 1;
  }
  await running.ended;
  const names = datasetsIn(home);
  if (!names.includes('small')) problems.push('import: an earlier dataset is gone');
  // The last transaction may have been over when the kill came: then it must be whole.
  if (names.includes('large') && rowsOf(home, 'large') !== largeRows)
    problems.push('import: half a dataset shows');
  await examine(home, 'import');
  if (names.includes('large')) await finish(home, ['data', 'remove', 'large', '--yes']);
}

function datasetsIn(home: string): string[] {
  const store = openStore(join(home, 'plumbline.db'));
  const names = store.datasets.list().map(({ name }) => name);
  store.close();
  return names;
}
function rowsOf(home: string, name: string): number {
  const store = openStore(join(home, 'plumbline.db'));
  const count = [...store.datasets.rows(store.datasets.findByName(name)!.id)].length;
  store.close();
  return count;
}

/** A database of the first version is opened by this one, which is killed on the way. */
async function migrateOld(): Promise<void> {
  const home = at('old-home');
  rmSync(home, { recursive: true, force: true });
  cpSync(at('old'), home, { recursive: true });
  const running = start(home, ['runs', 'list', '--json']);
  if (await runsFor(running, 150 + random() * 500)) {
    running.child.kill('SIGKILL');
    kills.migration += 1;
  }
  await running.ended;
  const database = new Sqlite(join(home, 'plumbline.db'));
  const count = (table: string): unknown => database.prepare(`SELECT count(*) FROM ${table}`).pluck().get();
  const counts = [count('models'), count('metrics'), count('dataset_rows')];
  database.close();
  if (counts.join() !== [1, oldPoints, oldRows].join()) problems.push(`migration: ${counts.join()} left`);
  await examine(home, 'migration');
}

const largeRows = 30_000;
const oldPoints = 20_000;
const oldRows = 3000;

/** A database as the first version left it, large enough for its copy to take a while. */
function fillOld(): void {
  mkdirSync(at('old'));
  const database = new Sqlite(at('old', 'plumbline.db'));
  database.pragma('journal_mode = WAL');
  database.transaction(() => {
    migrations[0]!.apply(database);
    database.pragma(`application_id = ${0x504c4d42}`);
    database.pragma('user_version = 1');
    database.exec(`
      INSERT INTO models (name, hash, source, folder, weights_folder, architecture, parameters, added_at)
        VALUES ('m', 'h', 's', 'f', 'w', 'llama', 1, 1);
      INSERT INTO runs (loss, seed, order_seed, learning_rate, config_json, base_hash, data_hash, status, created_at)
        VALUES ('dpo', 0, 0, 1e-3, '{}', 'h', 'd', 'finished', 1);
      INSERT INTO metric_names (id, name) VALUES (1, 'loss');
      WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ${oldPoints})
        INSERT INTO metrics (run_id, metric_id, step, value) SELECT 1, 1, n, n * 0.5 FROM counter;
      INSERT INTO datasets (name, hash, source, format, conversational, row_count, added_at)
        VALUES ('d', 'd', 's', 'preference', 0, ${oldRows}, 1);
      WITH RECURSIVE counter (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n < ${oldRows - 1})
        INSERT INTO dataset_rows (dataset_id, idx, row_json)
        SELECT 1, n, json_object('kind', 'preference', 'prompt', 'p' || n, 'chosen', hex(randomblob(400)),
          'rejected', hex(randomblob(400))) FROM counter`);
  })();
  database.close();
}
try {
  writeTinyModel(at('tiny'));
  writeLines(at('pairs.jsonl'), sums(40));
  writeLines(at('large.jsonl'), sums(largeRows));
  mkdirSync(at('whole'));
  await finish(at('whole'), trainInto(at('whole')));
  await finish(at('import'), ['data', 'add', at('pairs.jsonl'), '--name', 'small']);
  fillOld();
  for (let place = 0; total() < wanted; place += 1) {
    await train(place);
    for (let turn = 0; turn < 2 && total() < wanted; turn += 1) await importData();
    for (let turn = 0; turn < 2 && total() < wanted; turn += 1) await migrateOld();
    for (const problem of problems) if (!shown.has(problem)) console.log(problem);
    problems.forEach((problem) => shown.add(problem));
    process.stderr.write(`${total()} kills, ${resumes} resumes, ${problems.length} problems\n`);
  }
} finally {
  remove();
}
for (const problem of problems) if (!shown.has(problem)) console.log(problem);
const { training, supervisor, import: imports, migration } = kills;
console.log(
  `${total()} kills (${training} training, ${supervisor} supervisor, ${imports} import, ${migration} migration): ` +
    `${problems.length} problems, ${resumes} resumes, ${equal} killed runs byte-equal to the whole one`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
