/**
 * Reads a million preference pairs in each kind of file and tells the highest memory and the rows a second.
 *
 *     node test/bench/import-memory.ts [--rows 1000000] [--kinds jsonl,jsonl.gz,json,csv,parquet]
 *
 * The files are made here, in a temporary folder; Parquet (of one row group, as a hard case) is made by
 * `make_million_parquet.py` beside this, where PLUMBLINE_ORACLE_PYTHON names a Python with pyarrow. Each file is read by
 * a process of its own.
 */
import { spawnSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createGzip } from 'node:zlib';
import { openDataFile } from '../../src/main/formats/preferences.ts';

const self = fileURLToPath(import.meta.url);
const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    kinds: { type: 'string', default: 'jsonl,jsonl.gz,json,csv,parquet' },
    read: { type: 'string' },
  },
});

const pool = Array.from({ length: 200_000 }, (_, at) => ((at * 2_654_435_761) % 1_000_003).toString(36)).join(
  ' ',
);

if (values.read !== undefined) await measure(values.read);
else await run(Number(values.rows), values.kinds.split(','));

async function measure(path: string): Promise<void> {
  const before = process.memoryUsage.rss();
  const started = performance.now();
  let rows = 0;
  for await (const read of (await openDataFile(path)).rows) {
    if ('problem' in read) throw new Error(read.problem.message);
    rows += 1;
  }
  const seconds = (performance.now() - started) / 1000;
  const peak = process.resourceUsage().maxRSS * 1024;
  const mb = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  console.log(
    `${rows} rows in ${seconds.toFixed(1)} s, ${Math.round(rows / seconds)} rows/s, peak ${mb(peak)} (${mb(before)} at the start)`,
  );
}

async function run(rows: number, kinds: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'import-memory-'));
  const results: string[] = [];
  try {
    for (const kind of kinds) {
      const path = join(folder, `pairs.${kind}`);
      if (!(await make(path, kind, rows))) {
        results.push(`${kind}: skipped (PLUMBLINE_ORACLE_PYTHON names no Python with pyarrow)`);
        continue;
      }
      const { stdout, stderr } = spawnSync(process.execPath, [self, '--read', path], { encoding: 'utf8' });
      results.push(`${kind}, ${Math.round(statSync(path).size / 1e6)} MB: ${(stdout || stderr).trim()}`);
      rmSync(path);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  for (const result of results) console.log(result);
}

/** Pairs of about 800 characters, no two alike. */
function pair(row: number): { prompt: string; chosen: string; rejected: string } {
  const text = (length: number, step: number): string => {
    const start = (row * step) % (pool.length - length);
    return pool.slice(start, start + length);
  };
  return {
    prompt: `Question ${row}: ${text(200, 7919)}?`,
    chosen: `"Yes, ${row}", said ${text(280, 104_729)},\nand that was all.`,
    rejected: `No, ${row}: ${text(280, 1_299_709)}.`,
  };
}

async function make(path: string, kind: string, rows: number): Promise<boolean> {
  if (kind === 'parquet') {
    const python = process.env['PLUMBLINE_ORACLE_PYTHON'];
    if (python === undefined) return false;
    const script = fileURLToPath(new URL('./make_million_parquet.py', import.meta.url));
    return spawnSync(python, [script, path, String(rows)], { stdio: 'inherit' }).status === 0;
  }
  const file = createWriteStream(path);
  const out = kind.endsWith('.gz') ? createGzip({ level: 1 }) : file;
  if (out !== file) out.pipe(file);
  const write = async (text: string): Promise<void> => {
    if (!out.write(text)) await once(out, 'drain');
  };
  const cell = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  if (kind === 'json') await write('[\n');
  if (kind.startsWith('csv')) await write('prompt,chosen,rejected\n');
  for (let row = 0; row < rows;) {
    let text = '';
    for (const end = Math.min(rows, row + 1000); row < end; row += 1) {
      const made = pair(row);
      if (kind.startsWith('csv'))
        text += `${[made.prompt, made.chosen, made.rejected].map(cell).join(',')}\n`;
      else text += `${JSON.stringify(made)}${kind === 'json' && row < rows - 1 ? ',' : ''}\n`;
    }
    await write(text);
  }
  if (kind === 'json') await write(']\n');
  out.end();
  await once(file, 'close');
  return true;
}
