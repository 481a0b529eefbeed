import { join } from 'node:path';
import { openStore, type Store } from '../store/database.ts';
import { compare } from './compare.ts';
import { compareAgain } from './compare-again.ts';
import type { Services, ServicesOptions } from '../../shared/contract.ts';
import { checkData } from './data/check.ts';
import { convertData } from './data/convert.ts';
import { dataHistory, editData, markData, splitData, undoData } from './data/changes.ts';
import { dataLengths } from './data/dataset-lengths.ts';
import { listData, removeData } from './data/datasets.ts';
import { dataDuplicates, dataLeaks } from './data/duplicates.ts';
import { exportData } from './data/export.ts';
import { addData } from './data/import.ts';
import { previewData } from './data/preview.ts';
import { dataRows, RowLists } from './data/table.ts';
import { searchData, showData } from './data/rows.ts';
import { diagnostics } from './diagnostics.ts';
import { bundledExample, demo, overview, queueExample } from './demo.ts';
import { doctor } from './doctor.ts';
import { generate } from './generate.ts';
import { addModel, isKnown, listModels, type Library } from './library.ts';
import { inspectModel, removeModel, renameModel } from './models.ts';
import { takeModel } from './take-model.ts';
import { recoverOrphans } from './jobs.ts';
import {
  judgingResult,
  listJudgings,
  prepareJudging,
  removeJudging,
  showJudging,
  startJudging,
  undoVote,
  vote,
} from './judging/judging.ts';
import { judgingToData } from './judging/to-data.ts';
import { plan } from './plan.ts';
import { addProject, listProjects, removeProject, renameProject } from './projects.ts';
import { listComparisons, reportOf, showComparison } from './runs/comparisons.ts';
import { pauseRun, stopRun, watchRun } from './runs/control.ts';
import { runLog } from './runs/log.ts';
import { pairSteps, pairTelemetry } from './runs/pairs.ts';
import { runMetrics, runSeries } from './runs/series.ts';
import { listRuns, runEvaluations, showRun } from './runs/show.ts';
import {
  exportRun,
  forkRun,
  listQueue,
  moveJob,
  queueCompare,
  queueTrain,
  removeRun,
  resumeRun,
  runQueue,
} from './runs/work.ts';
import { generateText, scoreText } from './playground.ts';
import { score } from './score.ts';
import { jobSettings, listSettings, resetSetting, setSetting } from './settings.ts';
import { readReport } from './report/read.ts';
import { trace } from './trace.ts';
import { train } from './train.ts';
import { Watcher } from './watch.ts';
import { Players } from '../training/players.ts';
import { startNodeProcess, type StartProcess } from '../training/process.ts';

export type { ProcessEnd, StartProcess, WorkerProcess } from '../training/process.ts';
export { farewell } from '../training/channel.ts';

/** What a host may do in its own way. */
export interface HostServicesOptions extends ServicesOptions {
  /** Default: as Node starts processes. */
  readonly startProcess?: StartProcess;
  /** Folder of the bundled example; default: where this program's own files say. */
  readonly example?: string;
}

/** Opens the database and the model store in `home`, which exists. */
export function createServices({
  home,
  startProcess = startNodeProcess,
  example = bundledExample,
}: HostServicesOptions): Promise<Services> {
  const places = {
    database: join(home, 'plumbline.db'),
    modelsFolder: join(home, 'models'),
    checkpointFolder: join(home, 'checkpoints'),
    logFolder: join(home, 'logs'),
  };
  let opened: Store | undefined;
  const library: Library = {
    // Opened when it is first needed: doctor must be able to look at one that cannot be opened.
    get store() {
      if (opened === undefined) {
        opened = openStore(places.database);
        recoverOrphans(library);
      }
      return opened;
    },
    modelsFolder: places.modelsFolder,
    checkpointFolder: places.checkpointFolder,
    logFolder: places.logFolder,
    startProcess,
    // Read anew each time, so that a change counts at once.
    get settings() {
      return jobSettings(library.store);
    },
  };
  const watcher = new Watcher(library);
  const players = new Players({ startProcess });
  const rowLists = new RowLists();
  return Promise.resolve({
    addModel: ({ path, name, take }, call) =>
      take ? takeModel(library, path, name, call) : addModel(library, path, name, call),
    listModels: async () => ({ models: listModels(library) }),
    inspectModel: async (request) => inspectModel(library, request),
    renameModel: async (request) => renameModel(library, request),
    removeModel: (request) => removeModel(library, request),
    addData: (request, call = {}) => addData(library, request, call),
    checkData: (request, call = {}) => checkData(library, request, call),
    convertData: (request, call = {}) => convertData(request, call),
    listData: async () => ({ datasets: listData(library) }),
    previewData: (request, call = {}) => previewData(request, call),
    dataRows: (request, call = {}) => dataRows(library, rowLists, request, call),
    exportData: (request, call = {}) => exportData(library, request, call),
    showData: (request, call = {}) => showData(library, request, call),
    searchData: (request, call = {}) => searchData(library, request, call),
    editData: async (request) => editData(library, request),
    markData: (request, call = {}) => markData(library, request, call),
    dataHistory: async (request) => dataHistory(library, request),
    undoData: async (request) => undoData(library, request),
    splitData: async (request) => splitData(library, request),
    dataDuplicates: (request, call = {}) => dataDuplicates(library, request, call),
    dataLengths: (request, call = {}) => dataLengths(library, request, call),
    dataLeaks: (request, call = {}) => dataLeaks(library, request, call),
    removeData: async (request) => removeData(library, request),
    score: (request, call = {}) => score(library, request, call),
    train: (request, call = {}) => train(library, request, call),
    compare: (request, call = {}) => compare(library, request, call),
    plan: (request, call = {}) => plan(library, request, call),
    queueTrain: (request, call = {}) => queueTrain(library, request, call),
    queueCompare: (request, call = {}) => queueCompare(library, request, call),
    listRuns: async (request) => listRuns(library, request),
    showRun: async ({ run }) => showRun(library, run),
    runEvaluations: async ({ run }) => runEvaluations(library, run),
    watchRun: ({ run }, call = {}) => watchRun(library, run, call),
    pauseRun: ({ run }, call = {}) => pauseRun(library, run, call),
    stopRun: ({ run }, call = {}) => stopRun(library, run, call),
    resumeRun: (request, call = {}) => resumeRun(library, request, call),
    forkRun: (request, call = {}) => forkRun(library, request, call),
    runSeries: (request, call = {}) => runSeries(library, request, call),
    runMetrics: async (request) => runMetrics(library, request),
    pairTelemetry: (request, call = {}) => pairTelemetry(library, request, call),
    pairSteps: (request, call = {}) => pairSteps(library, request, call),
    runLog: (request) => runLog(library, request),
    removeRun: async (request) => removeRun(library, request),
    exportRun: (request, call = {}) => exportRun(library, request, call),
    listQueue: async () => listQueue(library),
    moveJob: async (request) => moveJob(library, request),
    runQueue: (call = {}) => runQueue(library, call),
    listComparisons: async (request) => listComparisons(library, request),
    showComparison: (request, call = {}) => showComparison(library, request, call),
    report: (request, call = {}) => reportOf(library, request, call),
    readReport: async ({ path }) => ({ result: await readReport(path) }),
    compareAgain: (request, call = {}) => compareAgain(library, request, call),
    trace: (request, call = {}) => trace(library, request, call),
    generate: (request, call = {}) => generate(library, request, call),
    generateText: (request, call = {}) => generateText(library, players, request, call),
    scoreText: (request, call = {}) => scoreText(library, players, request, call),
    startJudging: (request, call = {}) => startJudging(library, request, call),
    listJudgings: async (request) => listJudgings(library, request),
    showJudging: async (request) => showJudging(library, request),
    prepareJudging: (request, call = {}) => prepareJudging(library, players, request, call),
    vote: async (request) => vote(library, request),
    undoVote: async (request) => undoVote(library, request),
    judgingResult: async (request) => judgingResult(library, request),
    judgingToData: async (request) => judgingToData(library, request),
    removeJudging: async (request) => removeJudging(library, request),
    addProject: async ({ name }) => addProject(library.store, name),
    listProjects: async () => listProjects(library.store),
    renameProject: async (request) => renameProject(library.store, request),
    removeProject: async ({ name }) => removeProject(library.store, name),
    listSettings: async () => listSettings(library.store),
    setSetting: async (request) => setSetting(library.store, request),
    resetSetting: async (request) => resetSetting(library.store, request),
    doctor: (request, call = {}) => doctor(library, places, request, call),
    diagnostics: (request, call = {}) => diagnostics(library, places, request, call),
    demo: (request, call = {}) => demo(library, { home, example }, request, call),
    isKnown: async (request) => isKnown(library, request),
    overview: async () => overview(library, example),
    queueExample: (call = {}) => queueExample(library, example, call),
    watch: (listener) => watcher.watch(listener),
    async close() {
      watcher.close();
      await players.close();
      opened?.close();
    },
  });
}
