/**
 * A process that works on a home's database as the app does while a training runs: `node writer.ts <home> <metrics|short|read>`
 * until its standard input ends. Its last line on standard output is how often it has done so.
 */
import { join } from 'node:path';
import { openStore } from '../../src/main/store/database.ts';
import { sampleRun } from '../../src/main/store/samples.ts';

const [home = '', mode] = process.argv.slice(2);
const file = join(home, 'plumbline.db');
let ended = false;
process.stdin.on('end', () => (ended = true)).resume();

/** Lets the event loop hear of the end, without waiting otherwise. */
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

let rounds = 0;
if (mode === 'metrics') {
  const store = openStore(file);
  const { id } = store.runs.add(sampleRun);
  process.stdout.write(`${id}\n`);
  for (; !ended; rounds += 1, await breathe()) {
    store.metrics.append(id, [{ step: rounds, loss: rounds, 'rewards/margins': -rounds }]);
    if (store.metrics.decimated(id, 'loss', { points: 100 }).length === 0)
      throw new Error('nothing was kept');
  }
  const { values } = store.metrics.series(id, 'loss');
  if (values.length !== rounds || values.some((value, step) => value !== step))
    throw new Error('steps are missing');
  store.close();
} else {
  // Commands come and go: the last to close moves the write-ahead log, and the next finds none.
  for (; !ended; rounds += 1, await breathe()) {
    const store = openStore(file, { readOnly: mode === 'read' });
    if (mode === 'read') store.runList.list();
    else store.projects.remove(store.projects.add(`project of ${process.pid}`).id);
    store.close();
  }
}
process.stdout.write(`${rounds}\n`);
process.exit(0);
