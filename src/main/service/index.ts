import { join } from 'node:path';
import { openStore } from '../store/database.ts';
import { compare } from './compare.ts';
import type { Services, ServicesOptions } from '../../shared/contract.ts';
import { checkData } from './data/check.ts';
import { convertData } from './data/convert.ts';
import { demo } from './demo.ts';
import { generate } from './generate.ts';
import { addData, addModel, listData, listModels, type Library } from './library.ts';
import { recoverOrphans } from './jobs.ts';
import { plan } from './plan.ts';
import { pauseRun, stopRun, watchRun } from './runs/control.ts';
import { listRuns, showRun } from './runs/show.ts';
import {
  exportRun,
  forkRun,
  listQueue,
  moveJob,
  queueCompare,
  queueTrain,
  removeRun,
  reportOf,
  resumeRun,
  runQueue,
} from './runs/work.ts';
import { score } from './score.ts';
import { jobSettings, listSettings, resetSetting, setSetting } from './settings.ts';
import { train } from './train.ts';

/** Opens the database and the model store in `home`, which exists. */
export function createServices({ home }: ServicesOptions): Promise<Services> {
  const store = openStore(join(home, 'plumbline.db'));
  const library: Library = {
    store,
    modelsFolder: join(home, 'models'),
    checkpointFolder: join(home, 'checkpoints'),
    logFolder: join(home, 'logs'),
    // Read anew each time, so that a change counts at once.
    get settings() {
      return jobSettings(store);
    },
  };
  recoverOrphans(library);
  return Promise.resolve({
    addModel: ({ path, name }, call) => addModel(library, path, name, call),
    listModels: () => Promise.resolve({ models: listModels(library) }),
    addData: async ({ path, name }) => addData(library, path, name),
    checkData: (request, call = {}) => checkData(library, request, call),
    convertData: (request, call = {}) => convertData(request, call),
    listData: () => Promise.resolve({ datasets: listData(library) }),
    score: (request, call = {}) => score(library, request, call),
    train: (request, call = {}) => train(library, request, call),
    compare: (request, call = {}) => compare(library, request, call),
    plan: (request, call = {}) => plan(library, request, call),
    queueTrain: (request, call = {}) => queueTrain(library, request, call),
    queueCompare: (request, call = {}) => queueCompare(library, request, call),
    listRuns: async (request) => listRuns(library, request),
    showRun: async ({ run }) => showRun(library, run),
    watchRun: ({ run }, call = {}) => watchRun(library, run, call),
    pauseRun: ({ run }, call = {}) => pauseRun(library, run, call),
    stopRun: ({ run }, call = {}) => stopRun(library, run, call),
    resumeRun: (request, call = {}) => resumeRun(library, request, call),
    forkRun: (request, call = {}) => forkRun(library, request, call),
    removeRun: async (request) => removeRun(library, request),
    exportRun: (request, call = {}) => exportRun(library, request, call),
    listQueue: async () => listQueue(library),
    moveJob: async (request) => moveJob(library, request),
    runQueue: (call = {}) => runQueue(library, call),
    report: (request) => reportOf(library, request),
    generate: (request, call = {}) => generate(library, request, call),
    listSettings: async () => listSettings(store),
    setSetting: async (request) => setSetting(store, request),
    resetSetting: async (request) => resetSetting(store, request),
    demo: (request, call = {}) => demo(library, home, request, call),
    close: async () => store.close(),
  });
}
