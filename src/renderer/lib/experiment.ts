import { armText, parseArm } from '../../shared/arms.ts';
import type { Work } from '../../shared/app/api.ts';
import {
  defaults,
  parseSharedSettings,
  settings,
  wholeNumber,
  type SharedSettingsInput,
} from '../../shared/config.ts';
import { UsageError } from '../../shared/errors.ts';
import { runConfigsOf } from '../../shared/grid.ts';
import { describeLoss, lossNames } from '../../shared/losses.ts';

/** An experiment as it is being set up: every field as typed, so that it can stand in the address. */
export const blankDraft = {
  project: '',
  model: '',
  data: '',
  /** Use only the first so many rows. */
  pairs: '',
  arms: 'dpo, minor-dpo',
  lr: '5e-6',
  beta: '',
  seeds: '0',
  /** `on`: supervised fine-tuning goes first. */
  sft: '',
  sftLr: '1e-5',
  sftEpochs: '1',
  /** Instead of its epochs. */
  sftSteps: '',
  /** Where held-out pairs come from: a share, the dataset's own split, or another dataset. */
  held: 'share',
  heldShare: '0.1',
  heldData: '',
  task: '',
  taskTokens: '256',
  epochs: '1',
  /** Instead of epochs. */
  steps: '',
  batchSize: String(defaults.batchSize),
  gradAccum: String(defaults.gradAccum),
  maxLength: String(defaults.maxLength),
  scheduler: defaults.scheduler as string,
  warmup: String(defaults.warmup),
  maxGradNorm: String(defaults.maxGradNorm),
  weightDecay: String(defaults.weightDecay),
  rank: String(defaults.loraRank),
  alpha: String(defaults.loraAlpha),
  targets: defaults.loraTargets as string,
  /** `on`: every weight is trained. */
  full: '',
  /** `start` or `base`: what c and r are measured against. */
  reference: 'start',
  /** `off`: pairs in the dataset's own order. */
  shuffle: '',
  evalEvery: '0.1',
  samplePrompts: String(defaults.samplePrompts),
  sampleTokens: String(defaults.sampleTokens),
  evalKlPrompts: String(defaults.evalKlPrompts),
  /** Of the task, answered at each evaluation on the way. */
  evalQuestions: '0',
  klPrompts: String(defaults.driftPrompts),
  threads: '',
  /** `on`: in the least memory, at the cost of time. */
  lowMemory: '',
};
export type Draft = Readonly<typeof blankDraft>;
export type DraftField = keyof typeof blankDraft;

export interface Preset {
  readonly name: string;
  readonly note: string;
  readonly fields: Partial<Draft>;
}
/** Grids that answer one question each. */
export const presets: readonly Preset[] = [
  {
    name: 'First look',
    note: 'Both losses once: does it run, and which way does it go? Shows nothing about noise.',
    fields: { arms: 'dpo, minor-dpo', lr: '5e-6', beta: '', seeds: '0', sft: '' },
  },
  {
    name: 'Is the difference real?',
    note: 'Three seeds at three learning rates: the least that says something.',
    fields: { arms: 'dpo, minor-dpo', lr: '1e-6, 5e-6, 2e-5', beta: '', seeds: '0, 1, 2', sft: '' },
  },
  {
    name: 'Where does it break?',
    note: 'A ladder of learning rates, up to where DPO is known to collapse.',
    fields: {
      arms: 'dpo, minor-dpo',
      lr: '5e-7, 2e-6, 1e-5, 5e-5, 2e-4',
      beta: '',
      seeds: '0, 1, 2',
      sft: '',
    },
  },
  {
    name: 'How much β?',
    note: 'Three β at one learning rate, three seeds.',
    fields: { arms: 'dpo, minor-dpo', lr: '5e-6', beta: '0.01, 0.1, 0.5', seeds: '0, 1, 2', sft: '' },
  },
  {
    name: 'Fine-tune, then prefer',
    note: 'Supervised fine-tuning on the chosen answers first; every arm of a seed starts from its end.',
    fields: { arms: 'dpo, minor-dpo', lr: '5e-6', beta: '', seeds: '0, 1, 2', sft: 'on' },
  },
  {
    name: 'Fine-tune only',
    note: 'Supervised fine-tuning by itself, on chosen answers or completions.',
    fields: { arms: 'sft', lr: '1e-5', beta: '', seeds: '0', sft: '' },
  },
];

/** The draft that an address holds. */
export function draftOf(params: Readonly<Record<string, string>>): Draft {
  const entries = Object.entries(blankDraft).map(([name, blank]) => [name, params[name] ?? blank]);
  return Object.fromEntries(entries) as Draft;
}

/** What of a draft has to stand in the address: the rest is as it is anyway. */
export function paramsOf(changes: Partial<Draft>): Record<string, string | null> {
  return Object.fromEntries(
    Object.entries(changes).map(([name, value]) => [
      name,
      value === blankDraft[name as DraftField] ? null : value,
    ]),
  );
}

/** A list as people type it: parted by commas or blanks. */
export function listOf(text: string): string[] {
  return text.split(/[\s,;]+/).filter((part) => part !== '');
}

/** What is wrong with a draft, by field; `whole` for what no field can be blamed for. */
export type Problems = Readonly<Partial<Record<DraftField | 'whole', string>>>;

export interface Checked {
  readonly problems: Problems;
  /** Absent where something is wrong. */
  readonly work?: Work;
  /** How many runs it is, where that can be said. */
  readonly runs?: number;
}

interface Schema<Value> {
  safeParse(
    input: unknown,
  ): { success: true; data: Value } | { success: false; error: { issues: { message: string }[] } };
}

/** Reads a draft's fields one after another and keeps what is wrong with each. */
class Reader {
  readonly problems: Partial<Record<DraftField | 'whole', string>> = {};
  readonly #draft: Draft;

  constructor(draft: Draft) {
    this.#draft = draft;
  }

  blame(field: DraftField | 'whole', problem: string): void {
    this.problems[field] ??= problem;
  }

  text(field: DraftField, missing: string): string {
    const value = this.#draft[field].trim();
    if (value === '') this.blame(field, missing);
    return value;
  }

  value<Value>(
    field: DraftField,
    text: string,
    schema: Schema<Value>,
    parse: (text: string) => unknown,
  ): Value {
    const result = schema.safeParse(parse(text));
    if (result.success) return result.data;
    this.blame(field, result.error.issues[0]?.message ?? 'is not valid');
    return undefined as Value;
  }

  number(field: DraftField, schema: Schema<number>): number {
    return this.value(field, this.#draft[field], schema, numberOf);
  }

  /** Undefined where nothing is typed. */
  optional(field: DraftField, schema: Schema<number>): number | undefined {
    return this.#draft[field].trim() === '' ? undefined : this.number(field, schema);
  }

  list<Value>(
    field: DraftField,
    schema: Schema<Value>,
    parse: (text: string) => unknown = numberOf,
  ): Value[] {
    const parts = listOf(this.#draft[field]);
    const values = parts.map((part) => this.value(field, part, schema, parse));
    const twice = values.find((value, place) => values.indexOf(value) !== place);
    if (twice !== undefined) this.blame(field, `names ${String(twice)} twice`);
    return values;
  }
}

function numberOf(text: string): number {
  return text.trim() === '' ? NaN : Number(text.replace('−', '-'));
}

/**
 * Checks a draft as the host will, so that every field says by itself what is wrong with it.
 * @param kind of the dataset that is chosen
 */
export function checkDraft(draft: Draft, kind: 'preference' | 'completion' | undefined): Checked {
  const reader = new Reader(draft);
  const model = reader.text('model', 'choose a model');
  const data = reader.text('data', 'choose a dataset');
  const arms = reader.list('arms', armText, String);
  const learningRates = reader.list('lr', settings.learningRate);
  const betas = reader.list('beta', settings.beta);
  const seeds = reader.list('seeds', settings.seed);
  if (arms.length === 0) reader.blame('arms', `choose at least one of ${lossNames.join(', ')}`);
  if (learningRates.length === 0) reader.blame('lr', 'give at least one learning rate');
  if (seeds.length === 0) reader.blame('seeds', 'give at least one seed');
  const needsPairs = arms.filter(
    (arm) => arm !== undefined && describeLoss(parseArm(arm).loss).needsRejected,
  );
  if (kind === 'completion' && needsPairs.length > 0)
    reader.blame(
      'arms',
      `${needsPairs.join(' and ')} need pairs; this dataset holds completions: take sft alone`,
    );

  const steps = reader.optional('steps', settings.steps);
  const pairs = reader.optional('pairs', settings.steps);
  const threads = reader.optional('threads', settings.threads);
  const evalEvery = kind === 'completion' ? undefined : reader.optional('evalEvery', settings.evalEvery);
  const shared: SharedSettingsInput = {
    ...(steps === undefined ? { epochs: reader.number('epochs', settings.epochs) } : { steps }),
    batchSize: reader.number('batchSize', settings.batchSize),
    gradAccum: reader.number('gradAccum', settings.gradAccum),
    maxLength: reader.number('maxLength', settings.maxLength),
    scheduler: reader.value('scheduler', draft.scheduler, settings.scheduler, String),
    warmup: reader.number('warmup', settings.warmup),
    maxGradNorm: reader.number('maxGradNorm', settings.maxGradNorm),
    weightDecay: reader.number('weightDecay', settings.weightDecay),
    ...(draft.full === 'on'
      ? { full: true }
      : {
          lora: {
            rank: reader.number('rank', settings.loraRank),
            alpha: reader.number('alpha', settings.loraAlpha),
            targets: targetsOf(draft.targets),
          },
        }),
    ...(kind === 'completion' ? {} : heldOut(draft, reader)),
    ...(evalEvery === undefined
      ? {}
      : {
          evalEvery,
          samplePrompts: reader.number('samplePrompts', settings.samplePrompts),
          sampleTokens: reader.number('sampleTokens', settings.sampleTokens),
          evalKlPrompts: reader.number('evalKlPrompts', settings.evalKlPrompts),
        }),
    ...(draft.shuffle === 'off' ? { shuffle: false } : {}),
    ...(draft.lowMemory === 'on' ? { lowMemory: true as const } : {}),
    ...(draft.reference === 'base' ? { reference: 'base' } : {}),
    ...(threads === undefined ? {} : { threads }),
  };
  const sftFirst =
    draft.sft === 'on'
      ? {
          learningRate: reader.number('sftLr', settings.learningRate),
          ...(draft.sftSteps.trim() === ''
            ? { epochs: reader.number('sftEpochs', settings.epochs) }
            : { steps: reader.number('sftSteps', settings.steps) }),
        }
      : undefined;
  const driftPrompts = kind === 'completion' ? undefined : reader.number('klPrompts', wholeNumber(0));
  const taskTokens = draft.task === '' ? undefined : reader.number('taskTokens', settings.steps);
  const onTheWay =
    draft.task === '' || evalEvery === undefined ? undefined : reader.number('evalQuestions', wholeNumber(0));
  const { problems } = reader;
  if (Object.keys(problems).length > 0) return { problems };

  const common = {
    model,
    data,
    ...(draft.project === '' ? {} : { project: draft.project }),
    ...(pairs === undefined ? {} : { pairs }),
  };
  try {
    // A single fine-tuning on completions has no pairs to be compared on.
    if (kind === 'completion') {
      if (learningRates.length * seeds.length > 1)
        return {
          problems: {
            whole: 'completions are trained on one run at a time: give one learning rate and one seed',
          },
        };
      const config = { ...shared, ...parseArm(arms[0]!), learningRate: learningRates[0]!, seed: seeds[0]! };
      return { problems, work: { kind: 'training', request: { ...common, config } }, runs: 1 };
    }
    const grid = { arms, learningRates, seeds, ...(betas.length === 0 ? {} : { betas }) };
    const runs = runConfigsOf({ ...grid, shared: parseSharedSettings(shared) }).length;
    const request = {
      ...common,
      ...grid,
      shared,
      ...(sftFirst ? { sftFirst } : {}),
      ...(driftPrompts === undefined ? {} : { driftPrompts }),
      ...(taskTokens === undefined
        ? {}
        : {
            task: {
              data: draft.task,
              tokens: taskTokens,
              ...(onTheWay === undefined ? {} : { onTheWay }),
            },
          }),
    };
    return { problems, work: { kind: 'experiment', request }, runs: runs + (sftFirst ? seeds.length : 0) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { problems: { whole: error.message } };
  }
}

function targetsOf(text: string): 'all-linear' | string[] {
  const names = listOf(text);
  return names.length === 0 || text.trim() === 'all-linear' ? 'all-linear' : names;
}

function heldOut(
  draft: Draft,
  reader: Reader,
): Pick<SharedSettingsInput, 'evalShare' | 'evalSplit' | 'evalData'> {
  if (draft.held === 'split') return { evalSplit: true };
  if (draft.held === 'data')
    return { evalData: reader.text('heldData', 'choose the dataset with held-out pairs') };
  return { evalShare: reader.number('heldShare', settings.evalShare) };
}
