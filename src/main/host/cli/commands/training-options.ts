import { defaults, settings } from '../../../../shared/config.ts';
import type { SharedSettingsInput } from '../../../../shared/config.ts';
import { UsageError } from '../../../../shared/errors.ts';
import { parseParameters } from '../../../../shared/arms.ts';
import { describeLoss, lossNames } from '../../../../shared/losses.ts';
import type { OptionTable, OptionValues } from '../option.ts';
import { listText, numberText, optional, repeated, textValue, toggle } from '../option.ts';
import { given } from './names.ts';

const training = 'Training';
const adapterGroup = 'Adapter';
const evaluation = 'Evaluation';

/** "0.1, simpo 2": the usual one, then the losses that have another. */
function betaDefaults(): string {
  const usual = describeLoss(lossNames[0]).defaultBeta;
  const others = lossNames
    .map((name) => ({ name, beta: describeLoss(name).defaultBeta }))
    .filter(({ beta }) => beta !== usual);
  return [String(usual), ...others.map(({ name, beta }) => `${name} ${beta}`)].join(', ');
}

/** "kappa-dpo: kappa, … (default 0.5); …" */
function parametersHelp(): string {
  return lossNames
    .flatMap((name) =>
      Object.entries(describeLoss(name).parameters ?? {}).map(
        ([own, { explanation, default: value }]) => `${name}: ${own}, ${explanation} (default ${value})`,
      ),
    )
    .join('; ');
}

/** For one run; the runs of a comparison have it in the names of their arms. */
export const lossParameter = repeated({
  flag: 'loss-parameter',
  placeholder: 'NAME=VALUE',
  parse: textValue,
  help: `a parameter of the loss's own; may be given several times. ${parametersHelp()}`,
  group: training,
});

/** @throws UsageError in the words of the command line */
export function lossParametersOf(parts: readonly string[]): Record<string, number> | undefined {
  try {
    return parts.length === 0 ? undefined : parseParameters(parts);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`--loss-parameter ${error.message}`);
  }
}

/** Options of one run that all runs of a comparison share. */
export const trainingOptions = {
  beta: optional({
    flag: 'beta',
    placeholder: 'B',
    parse: numberText(settings.beta),
    defaultText: betaDefaults(),
    help: 'scale of the log-ratios: higher keeps the policy nearer to the reference',
    group: training,
  }),
  scheduler: optional({
    flag: 'scheduler',
    placeholder: 'NAME',
    parse: settings.scheduler,
    defaultText: defaults.scheduler,
    help: 'learning rate after warm-up: cosine or linear fall to 0, or constant',
    group: training,
  }),
  warmup: optional({
    flag: 'warmup',
    placeholder: 'W',
    parse: numberText(settings.warmup),
    defaultText: String(defaults.warmup),
    help: 'warm-up: below 1 a share of the steps, from 1 up a number of steps',
    group: training,
  }),
  batchSize: optional({
    flag: 'batch-size',
    placeholder: 'N',
    parse: numberText(settings.batchSize),
    defaultText: String(defaults.batchSize),
    help: 'pairs per batch',
    group: training,
  }),
  gradAccum: optional({
    flag: 'grad-accum',
    placeholder: 'N',
    parse: numberText(settings.gradAccum),
    defaultText: String(defaults.gradAccum),
    help: 'batches per optimizer step',
    group: training,
  }),
  steps: optional({
    flag: 'steps',
    placeholder: 'N',
    parse: numberText(settings.steps),
    help: 'optimizer steps; not with --epochs',
    group: training,
  }),
  epochs: optional({
    flag: 'epochs',
    placeholder: 'N',
    parse: numberText(settings.epochs),
    defaultText: String(defaults.epochs),
    help: 'passes over the data, fractions too; not with --steps',
    group: training,
  }),
  maxLength: optional({
    flag: 'max-length',
    placeholder: 'N',
    parse: numberText(settings.maxLength),
    defaultText: String(defaults.maxLength),
    help: 'tokens of prompt and answer together; longer answers are cut at the end',
    group: training,
  }),
  maxGradNorm: optional({
    flag: 'max-grad-norm',
    placeholder: 'X',
    parse: numberText(settings.maxGradNorm),
    defaultText: defaults.maxGradNorm.toFixed(1),
    help: 'global gradient norm above which gradients are scaled down; 0 for no clipping',
    group: training,
  }),
  weightDecay: optional({
    flag: 'weight-decay',
    placeholder: 'X',
    parse: numberText(settings.weightDecay),
    defaultText: String(defaults.weightDecay),
    help: 'decoupled weight decay of AdamW',
    group: training,
  }),
  noShuffle: toggle({
    flag: 'no-shuffle',
    help: "keep the file's order instead of a seeded one",
    group: training,
  }),
  lowMemory: toggle({
    flag: 'low-memory',
    help: 'keep only what goes from layer to layer and make the rest again: half the memory and less, 1.2 to 1.6 times the time',
    group: training,
  }),
  full: toggle({ flag: 'full', help: 'train every weight instead of a LoRA adapter', group: adapterGroup }),
  loraRank: optional({
    flag: 'lora-r',
    placeholder: 'R',
    parse: numberText(settings.loraRank),
    defaultText: String(defaults.loraRank),
    help: 'rank of the adapter',
    group: adapterGroup,
  }),
  loraAlpha: optional({
    flag: 'lora-alpha',
    placeholder: 'A',
    parse: numberText(settings.loraAlpha),
    defaultText: String(defaults.loraAlpha),
    help: "the adapter's output is scaled by alpha / rank",
    group: adapterGroup,
  }),
  loraTargets: optional({
    flag: 'lora-targets',
    placeholder: 'LIST',
    parse: listText(textValue),
    defaultText: defaults.loraTargets,
    help: 'layers that get an adapter, e.g. q_proj,v_proj; all-linear is every linear layer but the output head',
    group: adapterGroup,
  }),
  initAdapter: optional({
    flag: 'init-adapter',
    placeholder: 'DIR',
    parse: textValue,
    help: "start from this adapter (PEFT's format); its rank, alpha and layers are kept",
    group: adapterGroup,
  }),
  reference: optional({
    flag: 'reference',
    placeholder: 'base|DIR',
    parse: textValue,
    defaultText: 'the policy at its start',
    help: "reference of c and r: the bare model, or the model with this folder's adapter",
    group: adapterGroup,
  }),
  evalData: optional({
    flag: 'eval-data',
    placeholder: 'D',
    parse: textValue,
    help: 'held-out dataset, by name or path; not with --eval-share',
    group: evaluation,
  }),
  evalSplit: toggle({
    flag: 'eval-split',
    help: "hold out what the imported dataset's own split says (data split)",
    group: evaluation,
  }),
  evalShare: optional({
    flag: 'eval-share',
    placeholder: 'S',
    parse: numberText(settings.evalShare),
    help: 'share of the data held out from training, chosen by a fixed seed; not with --eval-data',
    group: evaluation,
  }),
  evalEvery: optional({
    flag: 'eval-every',
    placeholder: 'N',
    parse: numberText(settings.evalEvery),
    defaultText: 'at the end alone',
    help: 'evaluate on the way as well: below 1 a share of the steps, from 1 up every so many; changes no number of the training',
    group: evaluation,
  }),
  samplePrompts: optional({
    flag: 'sample-prompts',
    placeholder: 'N',
    parse: numberText(settings.samplePrompts),
    defaultText: String(defaults.samplePrompts),
    help: 'with --eval-every: held-out prompts answered greedily at each evaluation, the same ones every time; 0 for none',
    group: evaluation,
  }),
  sampleTokens: optional({
    flag: 'sample-tokens',
    placeholder: 'N',
    parse: numberText(settings.sampleTokens),
    defaultText: String(defaults.sampleTokens),
    help: 'longest of these answers, and of the samples that the KL is measured on, in tokens',
    group: evaluation,
  }),
  evalKlPrompts: optional({
    flag: 'eval-kl-prompts',
    placeholder: 'N',
    parse: numberText(settings.evalKlPrompts),
    defaultText: String(defaults.evalKlPrompts),
    help: 'with --eval-every: prompts after which the policy is sampled at each evaluation for its KL to the reference; 0 for none',
    group: evaluation,
  }),
};

/** Refuses options that exclude each other, in the words of the command line. */
export function refuseTogether<Table extends OptionTable>(
  table: Table,
  values: OptionValues<Table>,
  names: readonly (keyof Table & string)[],
): void {
  const flags = names
    .filter((name) => values[name] !== undefined && values[name] !== false)
    .map((name) => `--${table[name]!.flag}`);
  if (flags.length > 1) throw new UsageError(`${flags.join(' and ')} exclude each other`);
}

/**
 * The settings that the options stand for; what was not given is left to the run config's defaults.
 * @throws UsageError where options exclude each other.
 */
export function sharedSettingsOf(
  values: OptionValues<typeof trainingOptions>,
  threads: number | undefined,
): SharedSettingsInput {
  const together = (names: readonly (keyof typeof trainingOptions)[]) =>
    refuseTogether(trainingOptions, values, names);
  together(['steps', 'epochs']);
  together(['evalData', 'evalShare']);
  together(['evalData', 'evalSplit']);
  together(['evalShare', 'evalSplit']);
  for (const name of ['loraRank', 'loraAlpha', 'loraTargets', 'initAdapter'] as const)
    together(['full', name]);
  // An adapter brings its own shape along; a second one said beside it would be silently ignored or contradict it.
  for (const name of ['loraRank', 'loraAlpha', 'loraTargets'] as const) together(['initAdapter', name]);

  for (const name of ['samplePrompts', 'sampleTokens', 'evalKlPrompts'] as const) {
    if (values[name] !== undefined && values.evalEvery === undefined)
      throw new UsageError(`--${trainingOptions[name].flag} needs --eval-every N`);
  }

  const { noShuffle, full, evalSplit, lowMemory, loraRank, loraAlpha, loraTargets, ...plain } = values;
  const targets =
    loraTargets?.length === 1 && loraTargets[0] === 'all-linear' ? ('all-linear' as const) : loraTargets;
  const lora = given({ rank: loraRank, alpha: loraAlpha, targets });
  return {
    ...given({ ...plain, threads }),
    ...(noShuffle ? { shuffle: false } : {}),
    ...(full ? { full } : {}),
    ...(evalSplit ? { evalSplit: true as const } : {}),
    ...(lowMemory ? { lowMemory: true as const } : {}),
    ...(Object.keys(lora).length > 0 ? { lora } : {}),
  };
}
