/**
 * A process of its own that writes to a database, for tests of several processes and of sudden death:
 * `node test-writer.ts <mode> <file> [name]`. Each line on standard output says that something has happened.
 */
import { writeSync } from 'node:fs';
import type { PreferenceRow } from '../../shared/preferences.ts';
import { openStore } from './database.ts';
import { migrations } from './migrations/index.ts';
import { sampleDataset, sampleModel } from './samples.ts';

const [mode, file = '', name = ''] = process.argv.slice(2);

function say(line: string | number): void {
  // Past Node's own buffers: what was said before a SIGKILL is heard.
  writeSync(1, `${line}\n`);
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Ten kilobytes a row, so that SQLite's cache overflows into the write-ahead log before the commit. */
function* endlessImport(): Generator<PreferenceRow> {
  for (let index = 0; ; index += 1) {
    if (index === 4000) {
      say('in the middle');
      sleep(Infinity);
    }
    yield { kind: 'preference', index, chosen: 'c'.repeat(5000), rejected: 'r'.repeat(5000) };
  }
}

switch (mode) {
  case 'reference': {
    const store = openStore(file);
    for (let batch = 0; ; batch += 1) {
      const value = { chosen: -batch, rejected: -batch, chosenTokens: 1, rejectedTokens: 1 };
      const hashes = Array.from({ length: 64 }, (_, entry) => `${batch}-${entry}`);
      store.referenceLogProbs.putMany(
        'context',
        hashes.map((hash) => [hash, value]),
      );
      say(batch);
    }
  }
  case 'import':
    openStore(file).datasets.add(sampleDataset, endlessImport());
    break;
  case 'migrate':
    openStore(file, {
      migrations: [
        ...migrations,
        {
          version: migrations.length + 1,
          apply: (database) => {
            database.exec(`DELETE FROM models; CREATE TABLE filler (content BLOB) STRICT;
              WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 4000)
              INSERT INTO filler SELECT randomblob(10000) FROM counter`);
            say('in the middle');
            sleep(Infinity);
          },
        },
      ],
    });
    break;
  case 'hold':
  case 'hang': {
    const store = openStore(file);
    store.transaction(() => {
      store.models.add({ ...sampleModel, name });
      say('holding');
      sleep(mode === 'hold' ? 1500 : Infinity);
    });
    store.close();
    break;
  }
  case 'create': {
    const store = openStore(file);
    store.models.add({ ...sampleModel, name });
    store.close();
    break;
  }
  case 'share': {
    const store = openStore(file);
    store.models.add({ ...sampleModel, name });
    for (let step = 0; step < 300; step += 1) {
      store.metrics.append(1, [{ step, [name]: step }]);
    }
    store.close();
    break;
  }
  default:
    throw new Error(`unknown mode ${mode}`);
}
