import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, cpus, freemem, homedir, hostname, platform, release, totalmem, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import manifest from '../../../package.json' with { type: 'json' };
import type { CallOptions, DiagnosticsRequest, DiagnosticsResult } from '../../shared/contract.ts';
import { InputError, UsageError } from '../../shared/errors.ts';
import { writeAskedFile } from '../formats/files.ts';
import { packTarGz, type TarEntry } from '../formats/tar.ts';
import { openStore, type Store } from '../store/database.ts';
import { inspectDatabase } from '../store/inspect.ts';
import { doctor } from './doctor.ts';
import { namesIn } from './doctor/files.ts';
import type { HomePlaces } from './doctor/leftovers.ts';
import type { Library } from './library.ts';
import { scrubber } from './scrub.ts';

/** Of each log at most its end: a bug report is sent by mail. */
const logBytes = 1 << 20;
const runsListed = 500;

/**
 * Packs what a bug report needs: logs, versions, machine, settings, status and errors of jobs and runs, and what doctor
 * finds; no data, no prompts, and of paths only last names. Works also where the database is damaged.
 * @throws InputError where the file cannot be written
 */
export async function diagnostics(
  library: Library,
  places: HomePlaces,
  { out }: DiagnosticsRequest,
  call: CallOptions,
): Promise<DiagnosticsResult> {
  if (!/\.(tar\.gz|tgz)$/i.test(out)) throw new UsageError(`--out must end in .tar.gz, not "${out}"`);
  const now = Date.now();
  const { store, problem } = openForReading(places);
  try {
    const paths = [process.cwd(), join(places.database, '..'), ...(store ? recordedPaths(store) : [])];
    const scrub = scrubber({ userFolder: homedir(), userName: userName(), paths });
    const host = hostname();
    const cleaned = (text: string): string =>
      host === '' ? scrub(text) : scrub(text).replaceAll(host, 'host');
    const examined = await doctor(library, places, { fix: false, free: false, confirmed: false }, call);
    const report = {
      createdAt: new Date(now).toISOString(),
      versions: versions(places),
      machine: machine(),
      database: problem === undefined ? 'readable' : cleaned(problem),
      settings: store?.settings.given() ?? {},
      counts: store && counts(store),
      jobs: store && jobsOf(store, cleaned),
      runs: store && runsOf(store, cleaned),
      doctor: {
        healthy: examined.healthy,
        checked: examined.checked,
        findings: examined.findings.map(({ severity, kind, name, message }) => {
          return { severity, kind, name: cleaned(name), message: cleaned(message) };
        }),
        leftovers: examined.leftovers.map(({ kind, bytes, why, keep }) => ({ kind, bytes, why, keep })),
      },
    };
    const entries: TarEntry[] = [
      { name: 'plumbline/report.json', content: `${JSON.stringify(report, null, 2)}\n`, changedAt: now },
      ...logs(places.logFolder, cleaned),
    ];
    const bytes = packTarGz(entries);
    writeAskedFile(out, bytes, 'the diagnostics cannot be written');
    return { out: resolve(out), bytes: bytes.length, files: entries.map(({ name }) => name) };
  } finally {
    store?.close();
  }
}

function openForReading({ database }: HomePlaces): { store?: Store; problem?: string } {
  const { exists, version, knownVersion, problems } = inspectDatabase(database);
  if (!exists) return { problem: 'there is none yet' };
  if (problems[0] !== undefined) return { problem: problems.join('; ') };
  if (version !== knownVersion)
    return { problem: `is of version ${version}, this program knows ${knownVersion}` };
  try {
    return { store: openStore(database, { readOnly: true }) };
  } catch (error) {
    if (error instanceof InputError) return { problem: error.message };
    throw error;
  }
}

function versions(places: HomePlaces): Record<string, unknown> {
  const { version, sqlite } = inspectDatabaseVersion(places);
  return {
    plumbline: manifest.version,
    node: process.version,
    onnxruntime: packageVersion('onnxruntime-node'),
    'better-sqlite3': packageVersion('better-sqlite3'),
    sqlite,
    database: version,
    os: `${platform()} ${release()} ${arch()}`,
  };
}

function inspectDatabaseVersion({ database }: HomePlaces): { version: number | null; sqlite: string | null } {
  const { version, sqlite } = inspectDatabase(database);
  return { version, sqlite };
}

/** Undefined where the package is not where it should be, which is worth knowing. */
function packageVersion(name: string): string | undefined {
  const require = createRequire(import.meta.url);
  try {
    return (require(`${name}/package.json`) as { version: string }).version;
  } catch {
    return undefined;
  }
}

function machine(): Record<string, unknown> {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim(),
    threads: processors.length,
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
  };
}

function counts(store: Store): Record<string, number> {
  return {
    projects: store.projects.list().length,
    models: store.models.list().length,
    datasets: store.datasets.list().length,
    jobs: store.jobs.list().length,
    runs: store.runList.list().length,
    checkpoints: store.checkpoints.list().length,
  };
}

function jobsOf(store: Store, cleaned: (text: string) => string): unknown[] {
  return store.jobs
    .list()
    .slice(-runsListed)
    .map(({ id, kind, status, error, createdAt, startedAt, endedAt, plan }) => ({
      id,
      kind,
      status,
      error: error === null ? null : cleaned(error),
      createdAt,
      startedAt,
      endedAt,
      // Figures and a few words of ours.
      plan: plan === null ? null : (JSON.parse(cleaned(JSON.stringify(numbersOf(plan)))) as unknown),
    }));
}

/** Numbers, booleans and the shape around them: texts may be a person's. */
function numbersOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(numbersOf);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, numbersOf(part)]));
  return typeof value === 'string' ? undefined : value;
}

function runsOf(store: Store, cleaned: (text: string) => string): unknown[] {
  return store.runList.list({ limit: runsListed }).map((run) => ({
    id: run.id,
    job: run.job,
    comparison: run.comparison,
    role: run.role,
    loss: run.loss,
    learningRate: run.learningRate,
    beta: run.beta,
    seed: run.seed,
    status: run.status,
    step: run.step,
    totalSteps: run.totalSteps,
    seconds: run.seconds,
    divergedAt: run.divergedAt,
    error: run.error === undefined ? undefined : cleaned(run.error),
  }));
}

function logs(folder: string, cleaned: (text: string) => string): TarEntry[] {
  return namesIn(folder)
    .filter((name) => /^[\w.-]{1,60}\.log(\.\d+)?$/.test(name))
    .map((name) => {
      const path = join(folder, name);
      const bytes = readFileSync(path);
      const tail = bytes.subarray(-logBytes).toString('utf8');
      // Cut in the middle of a line, it may begin within a quotation.
      const whole = bytes.length > logBytes ? tail.slice(tail.indexOf('\n') + 1) : tail;
      return { name: `plumbline/logs/${name}`, content: cleaned(whole), changedAt: statSync(path).mtimeMs };
    });
}

/** Every path that a record holds: they may hold blanks, by which a text alone does not tell where they end. */
function recordedPaths(store: Store): string[] {
  const paths: string[] = [];
  const collect = (value: unknown): void => {
    if (typeof value === 'string') {
      if (/[/\\]/.test(value) && value.length < 4096 && !value.includes('\n')) paths.push(value);
    } else if (typeof value === 'object' && value !== null) Object.values(value).forEach(collect);
  };
  for (const { source, folder, weightsFolder } of store.models.list())
    collect([source, folder, weightsFolder]);
  for (const { source } of store.datasets.list()) collect(source);
  for (const { path } of store.adapters.list()) collect(path);
  for (const { request } of store.jobs.list()) collect(request);
  return paths;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}
