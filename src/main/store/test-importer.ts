/**
 * A process of its own that imports a dataset, for tests of sudden death and of two writers:
 * `node test-importer.ts <mode> <file>`. Each line on standard output says that something has happened.
 */
import { writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { openStore } from './database.ts';
import { sampleDataset } from './samples.ts';

const [mode, file = ''] = process.argv.slice(2);
const say = (line: string | number): void => void writeSync(1, `${line}\n`);
const pair = (index: number) => ({
  row: { kind: 'preference' as const, index, prompt: `p${index}`, chosen: 'c'.repeat(500), rejected: 'r' },
});

const store = openStore(file);
switch (mode) {
  /** Imports for ever. */
  case 'import': {
    const id = store.datasets.stage(sampleDataset);
    for (let batch = 0; ; batch += 1) {
      store.datasets.append(
        id,
        Array.from({ length: 500 }, (_, place) => pair(500 * batch + place)),
      );
      say(batch);
    }
  }
  /** Removes a dataset of many rows. */
  case 'remove':
    say('removing');
    store.datasets.remove(store.datasets.list()[0]!.id);
    break;
  /** Stages some rows, and stays. */
  case 'stay':
    store.datasets.append(store.datasets.stage(sampleDataset), [pair(0)]);
    say('staged');
    await setTimeout(600_000);
    break;
  default:
    throw new Error(`unknown mode ${mode}`);
}
