/**
 * Imports a generated file of preference pairs and prints rows per second and peak memory, then the same for the search
 * index: `node test/bench/import-datasets.ts [pairs]`, a million by default. The last line is the figure.
 */
import { createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServices } from '../../src/main/service/index.ts';

const pairs = Number(process.argv[2] ?? 1_000_000);
const folder = mkdtempSync(join(tmpdir(), 'plumbline-bench-'));
const file = join(folder, 'pairs.jsonl');

/** Words by Zipf's law, as in prose: a few are everywhere. */
let state = 1;
function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}
const words = Array.from({ length: 30_000 }, () =>
  Array.from({ length: 2 + Math.floor(7 * random()) }, () =>
    String.fromCharCode(97 + Math.floor(26 * random())),
  ).join(''),
);
const text = (length: number): string =>
  Array.from({ length }, () => words[Math.floor(words.length * random() ** 3)]!).join(' ');

try {
  const out = createWriteStream(file);
  for (let index = 0; index < pairs; index += 1) {
    const line = `${JSON.stringify({ prompt: `${index} ${text(15)}`, chosen: text(45), rejected: text(45) })}\n`;
    if (!out.write(line)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  console.log(`${pairs} pairs, ${(statSync(file).size / 2 ** 20).toFixed(0)} MiB`);

  const services = await createServices({ home: folder });
  const memory = (): string => `${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB at most`;
  const rate = (seconds: number): string => `${Math.round(pairs / seconds)} rows/s`;
  const { seconds } = await services.addData({ path: file, name: 'pairs' });
  const imported = `import ${rate(seconds)}, ${memory()}`;
  console.log(imported);
  const time = async (label: string, work: () => Promise<unknown>): Promise<void> => {
    const started = performance.now();
    await work();
    const taken = (performance.now() - started) / 1000;
    console.log(`${label}: ${taken.toFixed(2)} s, ${memory()}`);
  };
  await time('list', () => services.listData());
  await time('split', () => services.splitData({ data: 'pairs', by: { share: 0.1, seed: 0 } }));
  if (process.argv.includes('--search')) {
    const query = { data: 'pairs', query: `${words[200]!} ${words[5000]!}`, limit: 10 };
    await time('index for search', () => services.searchData(query));
    await time('search', () => services.searchData(query));
    console.log(`database ${(statSync(join(folder, 'plumbline.db')).size / 2 ** 20).toFixed(0)} MiB`);
  }
  await time('remove', () => services.removeData({ data: 'pairs', yes: true }));
  await services.close();
  console.log(imported);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
