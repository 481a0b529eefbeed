// Runs cases of one target and tells its parent of each, before and after: who hangs or crashes is then known.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Mutator } from './mutate.ts';
import { targets } from './targets/index.ts';

/** What the parent is told of a case: begun, or how it ended. */
export type Report =
  | { readonly at: number; readonly begun: true }
  | {
      readonly at: number;
      readonly outcome: 'read' | 'refused' | 'unclean' | 'outside';
      readonly message: string;
      readonly milliseconds: number;
      /** Bytes, the most of the process so far. */
      readonly memory: number;
    };

const [name, seed, first, end, root] = process.argv.slice(2) as [string, string, string, string, string];
const target = targets.find((each) => each.name === name);
if (target === undefined) throw new Error(`no target ${name}`);

const send = (report: Report): Promise<void> =>
  new Promise((resolve, reject) =>
    process.send!(report, (error: Error | null) => (error ? reject(error) : resolve())),
  );

// The case's folders lie some way down, so that a path with `..` ends at a place that is watched.
const work = join(root, 'a', 'b', 'c');
const [folder, store, here] = [join(work, 'input'), join(work, 'store'), join(root, 'here')];
for (const path of [folder, store, here]) mkdirSync(path, { recursive: true });
process.chdir(here);
const collect = (globalThis as { gc?: () => void }).gc;

const watched = (): string =>
  [root, join(root, 'a'), join(root, 'a', 'b'), work, here]
    .map((path) => readdirSync(path).sort().join())
    .join('|');
const before = watched();

for (let at = Number(first); at < Number(end); at++) {
  for (const path of [folder, store]) {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path);
  }
  const run = target.prepare(new Mutator(Number(seed), `${name}/${at}`), folder, store);
  await send({ at, begun: true });
  const start = performance.now();
  let outcome: 'read' | 'refused' | 'unclean' | 'outside' = 'read';
  let message = '';
  try {
    await run();
  } catch (error) {
    const { name: kind, message: text, stack } = error as Error;
    const clean = kind === 'InputError' || kind === 'UsageError';
    outcome = clean && isOneLine(text) ? 'refused' : 'unclean';
    message = clean ? text : String(stack);
  }
  const milliseconds = performance.now() - start;
  if (watched() !== before || existsSync('/escape.safetensors')) {
    outcome = 'outside';
    message = watched();
  }
  const memory = 1024 * process.resourceUsage().maxRSS;
  await send({ at, outcome, message: message.slice(0, 1500), milliseconds, memory });
  const { heapUsed, external } = process.memoryUsage();
  if (heapUsed + external > 64_000_000) collect?.();
}
process.disconnect();

function isOneLine(text: string): boolean {
  return text !== '' && !/[\n\r]/.test(text) && text.length <= 3000;
}
