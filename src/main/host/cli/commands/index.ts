import type { Command } from '../command.ts';
import { compare } from './compare.ts';
import { listComparisons, showComparison } from './comparisons.ts';
import { checkData } from './data/check.ts';
import {
  dataHistory,
  editData,
  excludeData,
  includeData,
  noteData,
  tagData,
  undoData,
} from './data/change.ts';
import { convertData } from './data/convert.ts';
import { addData, exportData, listData, removeData } from './data/datasets.ts';
import { dataDuplicates, dataLeaks, dataLengths, splitData } from './data/examine.ts';
import { searchData, showData } from './data/show.ts';
import { demo } from './demo.ts';
import { diagnostics, doctor } from './doctor.ts';
import { generate } from './generate.ts';
import {
  exportJudging,
  judgeVote,
  listJudgings,
  newJudging,
  prepareJudging,
  removeJudging,
  resultOfJudging,
  showJudging,
  undoJudging,
} from './judge/index.ts';
import { addModel, listModels, removeModel, renameModel, showModel } from './models.ts';
import { planCompare, planTrain } from './plan.ts';
import { addProject, listProjects, removeProject, renameProject } from './projects.ts';
import { listQueue, moveQueue, runQueue } from './queue.ts';
import { exportRun, forkRun, pauseRun, removeRun, reportRun, resumeRun, stopRun } from './runs/control.ts';
import { runEvaluations } from './runs/evaluations.ts';
import { listRuns, showRun, watchRun } from './runs/list.ts';
import { logRun } from './runs/log.ts';
import { runPairs } from './runs/pairs.ts';
import { score } from './score.ts';
import { serve } from './serve.ts';
import { listSettings, resetSetting, setSetting } from './settings.ts';
import { trace } from './trace.ts';
import { train } from './train.ts';

/** Every command, in the order of help. */
export const commands: readonly Command[] = [
  demo,
  serve,
  addModel,
  listModels,
  showModel,
  renameModel,
  removeModel,
  addData,
  listData,
  checkData,
  convertData,
  showData,
  searchData,
  editData,
  excludeData,
  includeData,
  tagData,
  noteData,
  dataHistory,
  undoData,
  splitData,
  dataDuplicates,
  dataLengths,
  dataLeaks,
  exportData,
  removeData,
  score,
  train,
  compare,
  planTrain,
  planCompare,
  listRuns,
  showRun,
  runEvaluations,
  runPairs,
  watchRun,
  logRun,
  pauseRun,
  resumeRun,
  stopRun,
  forkRun,
  exportRun,
  reportRun,
  removeRun,
  listComparisons,
  showComparison,
  trace,
  listQueue,
  moveQueue,
  runQueue,
  generate,
  newJudging,
  listJudgings,
  showJudging,
  prepareJudging,
  judgeVote,
  undoJudging,
  resultOfJudging,
  exportJudging,
  removeJudging,
  addProject,
  listProjects,
  renameProject,
  removeProject,
  listSettings,
  setSetting,
  resetSetting,
  doctor,
  diagnostics,
];
