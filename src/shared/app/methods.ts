import { z } from 'zod';
import { settings, wholeNumber } from '../config.ts';
import { writtenArm } from '../arms.ts';
import { votes } from '../judging.ts';
import { lossNames } from '../losses.ts';
import { formatNames, mappableFields, type FormatName } from '../preferences.ts';
import { reportFormats } from '../report/format.ts';
import type { MethodName, RequestOf } from './api.ts';

/**
 * The schema of every request. What arrives from a page is nobody's word: it is parsed here before anything looks at it.
 * Run settings are only bounded here; `parseRunConfig` and `parseSharedSettings` judge them, with words for people.
 */

const nothing = z.strictObject({});
const short = z.string().min(1).max(500);
const text = z.string().max(2_000_000);
const file = z.string().regex(/^[\w-]{1,80}$/, { error: 'is not a file that was let in' });
const identity = z.int().min(1);
const row = z.int().min(0);
const data = short;
const model = short;
const count = (most: number): z.ZodInt => z.int().min(1).max(most);
const list = <Item extends z.ZodType>(item: Item, most: number): z.ZodArray<Item> => z.array(item).max(most);

const run = z.strictObject({ run: identity });
const project = z.strictObject({ name: short });
const dataset = z.strictObject({ data });

const format = z.enum(formatNames as readonly [FormatName, ...FormatName[]]).exactOptional();
const map = z.partialRecord(z.enum(mappableFields), short).exactOptional();
const fileData = { file, format, map };

const selection = z.strictObject({
  rows: list(z.tuple([row, row]), 100_000).exactOptional(),
  search: short.exactOptional(),
  tagged: short.exactOptional(),
  repeats: z.boolean().exactOptional(),
});
const mark = z.union([
  z.strictObject({ kind: z.enum(['exclude', 'include']) }),
  z.strictObject({ kind: z.enum(['tag', 'untag']), tag: short }),
  z.strictObject({ kind: z.literal('note'), note: z.string().max(20_000).nullable() }),
]);
const filter = z.strictObject({
  search: short.exactOptional(),
  tagged: short.exactOptional(),
  side: z.enum(['train', 'eval']).exactOptional(),
  marked: z.enum(['excluded', 'included', 'noted']).exactOptional(),
});

/** Any JSON object of moderate size: a config's own parser judges its fields. */
const config = z.record(z.string().max(100), z.json());
const loss = z.enum(lossNames);
const arm = writtenArm.max(200);
const numbers = list(z.number(), 100).min(1);

const work = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('experiment'),
    request: z.strictObject({
      project: short.exactOptional(),
      model,
      data,
      pairs: identity.exactOptional(),
      arms: list(arm, 30).min(1),
      learningRates: numbers,
      betas: numbers.exactOptional(),
      seeds: list(settings.seed, 100).min(1),
      sftFirst: z
        .strictObject({
          learningRate: settings.learningRate,
          epochs: settings.epochs.exactOptional(),
          steps: settings.steps.exactOptional(),
        })
        .exactOptional(),
      shared: config,
      task: z
        .strictObject({
          data,
          tokens: count(100_000).exactOptional(),
          onTheWay: wholeNumber(0).max(100_000).exactOptional(),
        })
        .exactOptional(),
      driftPrompts: wholeNumber(0).max(100_000).exactOptional(),
      force: z.boolean().exactOptional(),
    }),
  }),
  z.strictObject({
    kind: z.literal('training'),
    request: z.strictObject({
      project: short.exactOptional(),
      model,
      data,
      pairs: identity.exactOptional(),
      config,
      force: z.boolean().exactOptional(),
    }),
  }),
]);

const policy = z.union([
  z.strictObject({ model }),
  z.strictObject({ run: identity, step: row.exactOptional() }),
]);
const messages = list(z.strictObject({ role: short, content: text }), 1000).min(1);
const sampling = {
  chat: z.boolean(),
  maxTokens: count(100_000),
  temperature: z.number().min(0).max(100),
  topP: z.number().gt(0).max(1),
};
const judging = z.strictObject({ judging: identity });
const runStatus = z.enum([
  'queued',
  'running',
  'pausing',
  'paused',
  'stopping',
  'finished',
  'failed',
  'interrupted',
]);

export const methods = {
  appInfo: nothing,
  startExample: nothing,
  pickFiles: z.strictObject({ purpose: z.enum(['data', 'model-file', 'model-folder']) }),
  saveDownload: z.strictObject({ download: file }),
  dropFile: z.strictObject({ file }),

  listModels: nothing,
  addModel: z.strictObject({ file, name: short.exactOptional() }),
  inspectModel: z.strictObject({ model }),
  renameModel: z.strictObject({ model, to: short }),
  removeModel: z.strictObject({ model, confirmed: z.boolean() }),

  previewData: z.strictObject(fileData),
  checkData: z.strictObject({
    ...fileData,
    model: model.exactOptional(),
    maxLength: count(1_000_000).exactOptional(),
  }),
  addData: z.strictObject({
    ...fileData,
    name: short.exactOptional(),
    skipBad: z.boolean().exactOptional(),
    splitColumn: short.exactOptional(),
  }),
  listData: nothing,
  showData: z.strictObject({
    data,
    row: row.exactOptional(),
    revision: row.exactOptional(),
    model: model.exactOptional(),
    maxLength: count(1_000_000).exactOptional(),
  }),
  dataRows: z.strictObject({ data, from: row, limit: count(500), filter: filter.exactOptional() }),
  searchData: z.strictObject({
    data,
    query: short,
    field: z.enum(['prompt', 'chosen', 'rejected']).exactOptional(),
    limit: count(1000),
  }),
  editData: z.strictObject({
    data,
    row,
    set: z.record(z.string().max(200), z.json()),
    swap: z.boolean().exactOptional(),
  }),
  markData: z.strictObject({ data, select: selection, mark }),
  dataHistory: dataset,
  undoData: dataset,
  splitData: z.strictObject({
    data,
    by: z.union([
      z.strictObject({ share: z.number().gt(0).lt(1), seed: settings.seed }),
      z.strictObject({ column: short, evalValues: list(short, 100).exactOptional() }),
    ]),
  }),
  dataDuplicates: z.strictObject({
    data,
    near: z.boolean(),
    threshold: z.number().gt(0).max(1),
    of: z.enum(['rows', 'prompts']),
  }),
  dataLengths: z.strictObject({ data, model: model.exactOptional() }),
  dataLeaks: z.strictObject({ data, against: data, threshold: z.number().gt(0).max(1) }),
  removeData: z.strictObject({ data, yes: z.boolean() }),
  exportData: dataset,

  planWork: z.strictObject({ work }),
  startWork: z.strictObject({ work, begin: z.boolean() }),
  listRuns: z.strictObject({
    project: short.exactOptional(),
    status: runStatus.exactOptional(),
    limit: count(100_000).exactOptional(),
  }),
  showRun: run,
  pauseRun: run,
  stopRun: run,
  resumeRun: run,
  forkRun: z.strictObject({
    run: identity,
    step: row.exactOptional(),
    changes: z.strictObject({
      loss: loss.exactOptional(),
      lossParameters: z.record(z.string().max(100), z.number()).exactOptional(),
      beta: settings.beta.exactOptional(),
      learningRate: settings.learningRate.exactOptional(),
      steps: settings.steps.exactOptional(),
    }),
  }),
  removeRun: z.strictObject({ run: identity, confirmed: z.boolean() }),
  exportRun: z.strictObject({ run: identity, step: row.exactOptional() }),
  runSeries: z.strictObject({
    runs: list(identity, 64),
    metrics: list(short, 64),
    from: row.exactOptional(),
    to: row.exactOptional(),
    points: count(4000),
  }),
  runMetrics: z.strictObject({ runs: list(identity, 1000) }),
  runEvaluations: run,
  pairTelemetry: z.strictObject({
    runs: list(identity, 64),
    side: z.enum(['train', 'eval']),
    row: row.exactOptional(),
    from: row.exactOptional(),
    to: row.exactOptional(),
  }),
  pairSteps: z.strictObject({ runs: list(identity, 64) }),
  runLog: z.strictObject({ run: identity, lines: count(2000) }),
  listQueue: nothing,
  moveJob: z.strictObject({
    run: identity,
    to: z.union([z.enum(['first', 'last']), z.strictObject({ beforeRun: identity })]),
  }),
  startQueue: nothing,
  haltQueue: nothing,

  listComparisons: z.strictObject({ project: short.exactOptional() }),
  showComparison: z.strictObject({ comparison: identity }),
  report: z.strictObject({ comparison: identity, format: z.enum(reportFormats).exactOptional() }),

  generateText: z.strictObject({
    policy,
    prompt: text,
    ...sampling,
    seed: settings.seed,
  }),
  scoreText: z.strictObject({
    policy: z.union([policy, z.strictObject({ referenceOf: identity })]),
    prompt: z.union([text, messages]),
    chat: z.boolean(),
    completion: z.union([text, messages]),
  }),

  startJudging: z.strictObject({
    project: short.exactOptional(),
    name: short.exactOptional(),
    policies: z.tuple([policy, policy]),
    prompts: z.union([
      z.strictObject({ data, side: z.enum(['all', 'train', 'eval']) }),
      z.strictObject({ comparison: identity }),
      z.strictObject({ texts: list(text, 10_000) }),
    ]),
    most: count(100_000).exactOptional(),
    ...sampling,
    seed: settings.seed.exactOptional(),
  }),
  listJudgings: z.strictObject({ project: short.exactOptional() }),
  showJudging: z.strictObject({ judging: identity, item: row.exactOptional() }),
  prepareJudging: z.strictObject({ judging: identity, ahead: count(100_000).exactOptional() }),
  vote: z.strictObject({ judging: identity, item: row, vote: z.enum(votes).nullable() }),
  undoVote: judging,
  judgingResult: z.strictObject({ judging: identity, early: z.boolean().exactOptional() }),
  judgingToData: z.strictObject({ judging: identity, name: short.exactOptional() }),
  removeJudging: z.strictObject({ judging: identity, confirmed: z.boolean() }),

  listProjects: nothing,
  addProject: project,
  renameProject: z.strictObject({ name: short, to: short }),
  removeProject: project,
  listSettings: nothing,
  setSetting: z.strictObject({ name: short, value: z.string().max(500) }),
  resetSetting: z.strictObject({ name: short.exactOptional() }),
  doctor: z.strictObject({ fix: z.boolean(), free: z.boolean(), confirmed: z.boolean() }),
  diagnostics: nothing,
} as const satisfies { readonly [Method in MethodName]: z.ZodType<Parsed<Method>> };

/** What a schema gives: the request, but for configs, whose fields their own parsers type. */
type Parsed<Method extends MethodName> = Method extends 'planWork' | 'startWork' ? object : RequestOf<Method>;

/** Names of all methods. */
export const methodNames = Object.keys(methods) as readonly MethodName[];
