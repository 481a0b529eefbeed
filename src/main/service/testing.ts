/** A home with real services and a store beside them, by which tests put records where work would have put them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Services } from '../../shared/contract.ts';
import { openStore, type Store } from '../store/database.ts';
import { createServices } from './index.ts';

export interface TestHome {
  readonly path: string;
  readonly services: Services;
  readonly store: Store;
  close(): Promise<void>;
}

export async function openTestHome(): Promise<TestHome> {
  const path = mkdtempSync(join(tmpdir(), 'plumbline-service-'));
  const services = await createServices({ home: path });
  const store = openStore(join(path, 'plumbline.db'));
  return {
    path,
    services,
    store,
    close: async () => {
      store.close();
      await services.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
}
