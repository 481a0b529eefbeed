import { EventEmitter } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CompareResult, ModelSummary, Services, TrainResult } from '../../../shared/contract.ts';
import { main } from './main.ts';

export const model: ModelSummary = {
  name: 'small',
  path: '/models/small',
  format: 'safetensors',
  architecture: 'llama',
  parameters: 134_515_008,
  bytes: 269_060_552,
  layers: 30,
  vocabulary: 49_152,
  contextLength: 8192,
  chatTemplate: true,
  missing: false,
  hash: 'ab',
  addedAt: '2025-01-01T00:00:00Z',
};
const counts = { rows: 66, skipped: 2, truncated: 1 };
const hashes = { base: 'b', data: 'd', order: 'o' };
const verdicts: CompareResult['verdicts'] = [
  {
    measure: 'preference',
    primary: true,
    learningRate: 5e-6,
    arm: 'minor-dpo',
    against: 'dpo',
    outcome: 'too-few-seeds',
    differences: [],
    diverged: { arm: [], against: [] },
    words: 'too few seeds to tell',
  },
];
const untrained = {
  pairs: 12,
  preferenceAccuracyRaw: 0.5,
  ties: 12,
  meanChosenLogRatio: 0,
  meanRejectedLogRatio: 0,
  meanMargin: 0,
};
export const comparison: CompareResult = {
  comparison: {
    schema: 1,
    createdAt: '2025-01-01T00:00:00Z',
    command: 'plumbline demo',
    versions: {},
    model: { name: 'small', hash: 'ab', parameters: 134_515_008 },
    data: { name: 'pairs', hash: 'cd', trainPairs: 52, evalPairs: 12, skipped: 2 },
    config: { beta: 0.1 },
    arms: ['dpo', 'minor-dpo'],
    learningRates: [5e-6],
    seeds: [0],
    base: untrained,
    runs: [],
    onlyDiffers: ['loss'],
  },
  verdicts,
  itemComparisons: [],
  collapses: [],
  divergencePoints: [],
  table: 'arm  accuracy\ndpo  50%\n\n> lr 5e-6: too few seeds to tell',
  counts,
  report: 'r.html',
  seconds: 61,
};

/** Opening the services makes the home folder: every one lies in here. Tests remove it at their end. */
export const scratch = mkdtempSync(join(tmpdir(), 'plumbline-cli-'));
export const home = join(scratch, 'from-environment');

type Call = readonly [name: string, request: unknown];

/** Stands in for the services to see what the command line asks of them; what they do is tested where they are. */
export async function run(args: readonly string[], overrides: Partial<Services> = {}) {
  const calls: Call[] = [];
  const out: string[] = [];
  const err: string[] = [];
  const homes: string[] = [];
  let closed = 0;
  const record =
    <Result>(name: string, result: (request: unknown) => Result) =>
    (request?: unknown) => {
      calls.push([name, request]);
      return Promise.resolve(result(request));
    };
  /** Of these the command line's tests ask nothing; they are tried where the real services run. */
  const untried = (): never => {
    throw new Error('not part of this test');
  };
  const services: Services = {
    generateText: untried,
    scoreText: untried,
    queueTrain: untried,
    queueCompare: untried,
    listRuns: untried,
    showRun: untried,
    runEvaluations: untried,
    watchRun: untried,
    pauseRun: untried,
    stopRun: untried,
    resumeRun: untried,
    forkRun: untried,
    runSeries: untried,
    runMetrics: untried,
    pairTelemetry: untried,
    pairSteps: untried,
    runLog: untried,
    removeRun: untried,
    inspectModel: untried,
    renameModel: untried,
    removeModel: untried,
    exportRun: untried,
    listQueue: untried,
    moveJob: untried,
    runQueue: untried,
    listComparisons: untried,
    showComparison: untried,
    startJudging: untried,
    listJudgings: untried,
    showJudging: untried,
    prepareJudging: untried,
    vote: untried,
    undoVote: untried,
    judgingResult: untried,
    judgingToData: untried,
    removeJudging: untried,
    isKnown: untried,
    overview: untried,
    queueExample: untried,
    watch: untried,
    report: untried,
    readReport: untried,
    compareAgain: untried,
    trace: untried,
    addProject: untried,
    listProjects: untried,
    renameProject: untried,
    removeProject: untried,
    listSettings: untried,
    setSetting: untried,
    resetSetting: untried,
    doctor: untried,
    diagnostics: untried,
    previewData: untried,
    dataRows: untried,
    exportData: untried,
    showData: untried,
    searchData: untried,
    editData: untried,
    markData: untried,
    dataHistory: untried,
    undoData: untried,
    splitData: untried,
    dataDuplicates: untried,
    dataLengths: untried,
    dataLeaks: untried,
    removeData: untried,
    addModel: record('addModel', () => ({ model, added: true })),
    listModels: record('listModels', () => ({ models: [model] })),
    addData: record('addData', () => ({
      dataset: {
        name: 'pairs',
        path: '/data/pairs.jsonl',
        kind: 'preference' as const,
        text: 'strings' as const,
        rows: 1066,
        excluded: 0,
        revision: 0,
        answers: 1066,
        bytes: 2_000_000,
        hash: 'cd',
        addedAt: '2025-01-01T00:00:00Z',
      },
      added: false,
      skipped: 0,
      issues: [],
      seconds: 1,
    })),
    listData: record('listData', () => ({ datasets: [] })),
    checkData: record('checkData', () => ({
      format: 'trl' as const,
      kind: 'preference' as const,
      conversational: false,
      pairs: 3,
      issues: [{ row: 2, kind: 'tie' as const, message: 'both answers are rated 4' }],
      counts: { tie: 1 },
      stats: {
        rows: 3,
        badRows: 0,
        distinctPrompts: 3,
        tieShare: 1 / 3,
        duplicateShare: 0,
        chosenLongerShare: 0.5,
        answers: 0,
        characters: {
          prompt: { mean: 12.5, min: 4, q25: 6, median: 9, q75: 15, q95: 40, max: 4321 },
        },
      },
      seconds: 1,
    })),
    convertData: record('convertData', () => ({
      out: 'o.jsonl',
      format: 'hh-rlhf' as const,
      pairs: 2308,
      skipped: 1,
      issues: [{ row: 86, kind: 'empty' as const, message: 'empty completion in "chosen" (line 87)' }],
      counts: { empty: 1 },
      seconds: 1,
    })),
    score: record('score', () => ({
      out: 's.jsonl',
      counts,
      pairs: 64,
      tokens: 12_800,
      chosenPreferred: 0.625,
      chosenLogpMean: -88.12,
      rejectedLogpMean: -90.2,
      seconds: 32,
    })),
    plan: record('plan', () => ({
      plan: {
        memory: { peak: 2.4e9, parts: [], available: 16e9, alternatives: [] },
        disk: [],
        time: { total: 90, parts: [{ name: 'training', amount: 90 }] },
      },
      fits: true,
      reasons: [],
    })),
    train: record('train', (request): TrainResult => {
      const { config } = request as { config: TrainResult['config'] };
      return {
        run: 3,
        metrics: 'm.jsonl',
        adapterOut: 'out',
        config,
        counts,
        steps: 8,
        trainedParameters: 4_884_480,
        first: { step: 1, loss: Math.LN2, 'gate/open': 0 },
        last: { step: 8, loss: 0.5123, 'gate/open': 0.25 },
        evaluation: {
          pairs: 12,
          preferenceAccuracy: 0.75,
          preferenceAccuracyRaw: 0.5,
          ties: 1,
          meanChosenLogRatio: -1.5,
          meanRejectedLogRatio: -4,
          meanMargin: 2.5,
          task: { questions: 4, correct: 1, perQuestion: [true, false, false, false] },
        },
        seconds: 75,
        peakMemory: 2.1e9,
        hashes,
      };
    }),
    compare: record('compare', () => comparison),
    generate: (request, call) => {
      calls.push(['generate', request]);
      for (const piece of ['4', '2']) call?.onToken?.(piece);
      return Promise.resolve({
        text: '42',
        promptTokens: 9,
        tokens: 2,
        finish: 'end' as const,
        seconds: 0.5,
      });
    },
    demo: record('demo', () => comparison),
    close: () => {
      closed += 1;
      return Promise.resolve();
    },
    ...overrides,
  };
  const interrupts = new EventEmitter();
  const code = await main(
    args,
    (options) => {
      homes.push(options.home);
      return Promise.resolve(services);
    },
    {
      out: (text) => void out.push(text),
      err: (text) => void err.push(text),
      errIsTerminal: false,
      columns: () => 80,
      environment: { PLUMBLINE_HOME: home },
      interrupts,
      quit: () => undefined,
    },
  );
  return { code, calls, out: out.join(''), err: err.join(''), homes, closed, interrupts };
}

export const trainWords = 'train --data d --loss minor-dpo --metrics m.jsonl --adapter-out out';
export const words = (line: string) => line.split(' ');
