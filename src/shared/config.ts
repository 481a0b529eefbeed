import { z } from 'zod';
import { defaults } from './defaults.ts';
import { UsageError } from './errors.ts';
import { describeLoss, lossNames } from './losses.ts';
import type { LossName, LossParameter } from './losses.ts';

export { defaults };

export const schedulerNames = ['cosine', 'linear', 'constant'] as const;
export type SchedulerName = (typeof schedulerNames)[number];

/** A number with one message for each way it can be wrong; infinities and NaN are not numbers here. */
function number(): z.ZodNumber {
  return z.number({ error: 'must be a number' });
}
function above(limit: number): z.ZodNumber {
  return number().gt(limit, { error: (issue) => `must be above ${limit}, not ${String(issue.input)}` });
}
function atLeast(limit: number): z.ZodNumber {
  return number().min(limit, { error: (issue) => `must be ${limit} or more, not ${String(issue.input)}` });
}
/** Whole numbers from `limit` on. */
export function wholeNumber(limit: number): z.ZodNumber {
  return atLeast(limit).int({ error: (issue) => `must be a whole number, not ${String(issue.input)}` });
}
function choice<const T extends readonly [string, ...string[]]>(names: T) {
  return z.enum(names, {
    error: (issue) => `must be one of ${names.join(', ')}, not "${String(issue.input)}"`,
  });
}
const text = z.string({ error: 'must be text' }).min(1, { error: 'must not be empty' });

/** The largest seed: seeds are unsigned 32-bit numbers. */
export const largestSeed = 2 ** 32 - 1;

/** One schema per setting, shared by run configs, the command line and forms, so that a limit is stated once. */
export const settings = {
  loss: choice(lossNames),
  beta: above(0),
  learningRate: atLeast(0),
  scheduler: choice(schedulerNames),
  warmup: atLeast(0).refine((value) => value < 1 || Number.isInteger(value), {
    error: (issue) => `must be a share below 1 or a whole number of steps, not ${String(issue.input)}`,
  }),
  batchSize: wholeNumber(1),
  gradAccum: wholeNumber(1),
  steps: wholeNumber(1),
  epochs: above(0),
  // One prompt token and one completion token are the least that gives a log-prob.
  maxLength: wholeNumber(2),
  maxGradNorm: atLeast(0),
  weightDecay: atLeast(0),
  seed: wholeNumber(0).max(largestSeed, { error: `must be ${largestSeed} or less` }),
  shuffle: z.boolean(),
  loraRank: wholeNumber(1),
  loraAlpha: above(0),
  loraTargets: z.union([
    z.literal('all-linear'),
    z.array(text).min(1, { error: 'must name at least one layer' }),
  ]),
  initAdapter: text,
  reference: text,
  evalData: text,
  evalShare: above(0).lt(1, { error: (issue) => `must be below 1, not ${String(issue.input)}` }),
  evalSplit: z.literal(true, { error: 'must be true or absent' }),
  evalEvery: above(0).refine((value) => value < 1 || Number.isInteger(value), {
    error: (issue) => `must be a share below 1 or a whole number of steps, not ${String(issue.input)}`,
  }),
  samplePrompts: wholeNumber(0),
  sampleTokens: wholeNumber(1),
  evalKlPrompts: wholeNumber(0),
  threads: wholeNumber(1),
  lowMemory: z.literal(true, { error: 'must be true or absent' }),
} as const;

function withinBounds({ least, most, mostIncluded = true, default: value }: LossParameter) {
  const bounded = atLeast(least);
  return (
    mostIncluded
      ? bounded.max(most, { error: (issue) => `must be ${most} or less, not ${String(issue.input)}` })
      : bounded.lt(most, { error: (issue) => `must be below ${most}, not ${String(issue.input)}` })
  ).default(value);
}

/** Parameters of one loss's own: those it has, within their bounds, at their defaults where nothing is said. */
export function lossParametersOf(loss: LossName): z.ZodType<Record<string, number>> {
  const { parameters = {} } = describeLoss(loss);
  const own = Object.keys(parameters);
  const shape = Object.fromEntries(
    Object.entries(parameters).map(([name, parameter]) => [name, withinBounds(parameter)]),
  );
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `${loss} has no parameter ${issue.keys.join(', ')}; ${own.length === 0 ? 'it has none' : `it has ${own.join(', ')}`}`
        : undefined,
  });
}

const lora = z.strictObject({
  /** Rank of every pair of factors A [rank, in], B [out, rank]. */
  rank: settings.loraRank.default(defaults.loraRank),
  /** The adapter's output is scaled by alpha / rank. */
  alpha: settings.loraAlpha.default(defaults.loraAlpha),
  /** Names of linear layers as PEFT takes them (`q_proj`), or every linear layer but the output head. */
  targets: settings.loraTargets.default(defaults.loraTargets),
});

/** The settings of a run but those that tell the runs of a comparison apart (loss and its parameters, β, learning rate, seed). */
const sharedShape = {
  scheduler: settings.scheduler.default(defaults.scheduler),
  /** Below 1 a share of the steps, from 1 up a number of steps; see `warmupSteps`. */
  warmup: settings.warmup.default(defaults.warmup),
  /** Pairs per micro-batch; an optimizer step takes batchSize × gradAccum pairs. */
  batchSize: settings.batchSize.default(defaults.batchSize),
  gradAccum: settings.gradAccum.default(defaults.gradAccum),
  steps: settings.steps.optional(),
  epochs: settings.epochs.optional(),
  /** Tokens of prompt and one answer together. */
  maxLength: settings.maxLength.default(defaults.maxLength),
  /** Global gradient norm above which gradients are scaled down; 0 turns clipping off. */
  maxGradNorm: settings.maxGradNorm.default(defaults.maxGradNorm),
  weightDecay: settings.weightDecay.default(defaults.weightDecay),
  shuffle: settings.shuffle.default(defaults.shuffle),
  /** True: every weight is trained. Otherwise a LoRA adapter as `lora` says. */
  full: z.boolean().default(false),
  lora: lora.optional(),
  initAdapter: settings.initAdapter.optional(),
  /** 'base' or an adapter's folder; absent: the policy at its start. */
  reference: settings.reference.optional(),
  evalData: settings.evalData.optional(),
  evalShare: settings.evalShare.optional(),
  /** The dataset's own split says what is held out. */
  evalSplit: settings.evalSplit.optional(),
  /** Between two evaluations: below 1 a share of the steps, from 1 up a number of steps; see `evaluationSteps`. */
  evalEvery: settings.evalEvery.optional(),
  /** How many held-out prompts are answered at each evaluation, in tokens at most `sampleTokens`; with evalEvery. */
  samplePrompts: settings.samplePrompts.optional(),
  sampleTokens: settings.sampleTokens.optional(),
  /** After how many prompts the policy is sampled at each evaluation for its KL to the reference; with evalEvery. */
  evalKlPrompts: settings.evalKlPrompts.optional(),
  threads: settings.threads.optional(),
  /** Activations are made again for the backward pass and weights not repacked: less memory, more time, other last bits. */
  lowMemory: settings.lowMemory.optional(),
};

interface Exclusive {
  readonly steps?: unknown;
  readonly epochs?: unknown;
  readonly evalData?: unknown;
  readonly evalShare?: unknown;
  readonly evalSplit?: unknown;
  readonly evalEvery?: unknown;
  readonly samplePrompts?: number | undefined;
  readonly sampleTokens?: number | undefined;
  readonly evalKlPrompts?: number | undefined;
  readonly full?: boolean;
  readonly lora?: unknown;
  readonly initAdapter?: unknown;
}
function refuseContradictions(config: Exclusive, context: z.RefinementCtx): void {
  const refuse = (message: string) => context.addIssue({ code: 'custom', message });
  if (config.steps !== undefined && config.epochs !== undefined)
    refuse('steps and epochs exclude each other');
  if (config.evalData !== undefined && config.evalShare !== undefined)
    refuse('evalData and evalShare exclude each other');
  if (config.evalSplit !== undefined && (config.evalData ?? config.evalShare) !== undefined)
    refuse('evalSplit excludes evalData and evalShare');
  const holdsOut = (config.evalData ?? config.evalShare ?? config.evalSplit) !== undefined;
  if (config.evalEvery !== undefined && !holdsOut)
    refuse('evalEvery needs held-out rows: evalData, evalShare or evalSplit');
  if (
    config.evalEvery === undefined &&
    (config.samplePrompts ?? config.sampleTokens ?? config.evalKlPrompts) !== undefined
  )
    refuse('samplePrompts, sampleTokens and evalKlPrompts need evalEvery');
  if (config.full === true && config.lora !== undefined) refuse('full training takes no lora settings');
  if (config.full === true && config.initAdapter !== undefined) refuse('full training takes no initAdapter');
}

type Filled<Config extends Exclusive> = Omit<Config, 'lora'> & { lora?: z.output<typeof lora> };

/** Epochs and adapter settings depend on each other's absence, which a field's own default cannot express. */
function fill<Config extends Exclusive & { lora?: z.output<typeof lora> | undefined }>(
  config: Config,
): Filled<Config> {
  const { lora: given, ...rest } = config;
  return {
    ...rest,
    ...(config.full === true ? {} : { lora: given ?? lora.parse({}) }),
    ...(config.steps === undefined && config.epochs === undefined ? { epochs: defaults.epochs } : {}),
    ...(config.evalEvery === undefined
      ? {}
      : {
          samplePrompts: config.samplePrompts ?? defaults.samplePrompts,
          sampleTokens: config.sampleTokens ?? defaults.sampleTokens,
          evalKlPrompts: config.evalKlPrompts ?? defaults.evalKlPrompts,
        }),
  };
}

/** What all runs of a comparison have in common. β is absent where each loss takes its own default. */
export const SharedSettings = z
  .strictObject({ ...sharedShape, beta: settings.beta.optional() })
  .superRefine(refuseContradictions)
  .transform(fill);
export type SharedSettings = z.output<typeof SharedSettings>;
export type SharedSettingsInput = z.input<typeof SharedSettings>;

/** Everything that decides a training run, apart from the model and the data. */
export const RunConfig = z
  .strictObject({
    loss: settings.loss,
    beta: settings.beta.optional(),
    /** Parameters of the loss's own, by name; see its description. */
    lossParameters: z.record(z.string(), number()).optional(),
    learningRate: settings.learningRate.default(defaults.learningRate),
    seed: settings.seed.default(defaults.seed),
    ...sharedShape,
  })
  .superRefine(refuseContradictions)
  .transform((config, context) => {
    const { lossParameters = {}, ...rest } = config;
    const own = lossParametersOf(config.loss).safeParse(lossParameters);
    for (const { path, message } of own.error?.issues ?? [])
      context.addIssue({ code: 'custom', path: ['lossParameters', ...path], message });
    const filled = own.data ?? {};
    return {
      ...fill(rest),
      beta: config.beta ?? describeLoss(config.loss).defaultBeta,
      // What has no parameters has no record of them, as in configs of earlier versions.
      ...(Object.keys(filled).length === 0 ? {} : { lossParameters: filled }),
    };
  });
export type RunConfig = z.output<typeof RunConfig>;
export type RunConfigInput = z.input<typeof RunConfig>;

function parse<Output>(schema: z.ZodType<Output>, input: unknown): Output {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    const name = issue.path.join('.');
    return name === '' ? issue.message : `${name} ${issue.message}`;
  });
  throw new UsageError(problems.join('; '));
}

/**
 * Checks settings and fills in defaults.
 * @throws UsageError naming every setting that is wrong, in one line.
 */
export function parseRunConfig(input: RunConfigInput): RunConfig {
  return parse(RunConfig, input);
}

/** As `parseRunConfig`, for what the runs of a comparison share. */
export function parseSharedSettings(input: SharedSettingsInput): SharedSettings {
  return parse(SharedSettings, input);
}

/** The config of one run of a comparison; only what is named here differs between its runs. */
export function runConfigOf(
  shared: SharedSettings,
  run: {
    readonly loss: LossName;
    readonly lossParameters?: Readonly<Record<string, number>>;
    readonly learningRate: number;
    readonly seed: number;
    readonly beta?: number;
  },
): RunConfig {
  return parseRunConfig({ ...shared, ...run });
}

/**
 * Optimizer steps of a run over `rows` rows. The last micro-batch of an epoch and the last accumulation may be
 * smaller, as in transformers' Trainer: ceil(epochs × ceil(ceil(rows / batchSize) / gradAccum)).
 */
export function stepCount(
  config: Pick<RunConfig, 'steps' | 'epochs' | 'batchSize' | 'gradAccum'>,
  rows: number,
): number {
  if (config.steps !== undefined) return config.steps;
  const perEpoch = Math.ceil(Math.ceil(rows / config.batchSize) / config.gradAccum);
  return Math.ceil((config.epochs ?? defaults.epochs) * perEpoch);
}

/** Warm-up steps of a run of `steps` steps: a share is rounded up, as in transformers' get_warmup_steps. */
export function warmupSteps(warmup: number, steps: number): number {
  return warmup < 1 ? Math.ceil(warmup * steps) : warmup;
}

/**
 * After which optimizer steps a run is evaluated, ascending: before the first, every so many, and after the last. A share
 * of the steps is rounded up, as transformers does with eval_steps. Without `evalEvery`: after the last alone.
 */
export function evaluationSteps(evalEvery: number | undefined, steps: number): number[] {
  if (evalEvery === undefined) return [steps];
  const interval = evalEvery < 1 ? Math.ceil(evalEvery * steps) : evalEvery;
  const between = Array.from({ length: Math.ceil(steps / interval) }, (_, place) => place * interval);
  return [...between, steps];
}
