import { join } from 'node:path';
import { openStore } from '../store/database.ts';
import { compare } from './compare.ts';
import type { Services, ServicesOptions } from '../../shared/contract.ts';
import { demo } from './demo.ts';
import { generate } from './generate.ts';
import { addData, addModel, listData, listModels, type Library } from './library.ts';
import { recoverOrphans } from './jobs.ts';
import { plan } from './plan.ts';
import { score } from './score.ts';
import { train } from './train.ts';

/** Opens the database and the model store in `home`, which exists. */
export function createServices({ home }: ServicesOptions): Promise<Services> {
  const store = openStore(join(home, 'plumbline.db'));
  const library: Library = {
    store,
    modelsFolder: join(home, 'models'),
    checkpointFolder: join(home, 'checkpoints'),
    logFolder: join(home, 'logs'),
    settings: { runsAtOnce: 1, keepCheckpoints: 2, checkpointSeconds: 60 },
  };
  recoverOrphans(library);
  return Promise.resolve({
    addModel: ({ path, name }, call) => addModel(library, path, name, call),
    listModels: () => Promise.resolve({ models: listModels(library) }),
    addData: async ({ path, name }) => addData(library, path, name),
    listData: () => Promise.resolve({ datasets: listData(library) }),
    score: (request, call = {}) => score(library, request, call),
    train: (request, call = {}) => train(library, request, call),
    compare: (request, call = {}) => compare(library, request, call),
    plan: (request, call = {}) => plan(library, request, call),
    generate: (request, call = {}) => generate(library, request, call),
    demo: (request, call = {}) => demo(library, home, request, call),
    close: async () => store.close(),
  });
}
