import { defaults, parseRunConfig, settings } from '../../../../shared/config.ts';
import type { Evaluation } from '../../../../shared/comparison.ts';
import { UsageError } from '../../../../shared/errors.ts';
import {
  formatBytes,
  formatCount,
  formatElapsed,
  formatLearningRate,
  formatNumber,
  formatParameters,
  formatPercent,
} from '../../../../shared/format.ts';
import { describeLoss, lossNames } from '../../../../shared/losses.ts';
import type { MetricName } from '../../../../shared/metrics.ts';
import type { TrainRequest, TrainResult } from '../../../../shared/contract.ts';
import { defineCommand } from '../command.ts';
import { numberText, optional, required, textValue } from '../option.ts';
import type { OptionTable, OptionValues } from '../option.ts';
import { renderTable } from '../table.ts';
import { describeQueued, jobOptions } from './job-options.ts';
import { given, optionalModel, pairLimit, requiredData } from './names.ts';
import { describeCounts } from './score.ts';
import {
  lossParameter,
  lossParametersOf,
  refuseTogether,
  sharedSettingsOf,
  trainingOptions,
} from './training-options.ts';

/** Options of a training, for whatever is done with it. */
export const trainOptions = {
  model: optionalModel,
  init: optional({
    flag: 'init',
    placeholder: 'config.json',
    parse: textValue,
    help: 'instead of --model: random weights of this shape, tokenizer files beside it; trains every weight',
    group: 'Input',
  }),
  data: requiredData,
  loss: required({
    flag: 'loss',
    placeholder: lossNames.join('|'),
    parse: settings.loss,
    help: lossNames.map((name) => `${name}: ${describeLoss(name).explanation}`).join('; '),
    group: 'Training',
  }),
  lossParameter,
  learningRate: optional({
    flag: 'lr',
    placeholder: 'X',
    parse: numberText(settings.learningRate),
    defaultText: formatLearningRate(defaults.learningRate),
    help: 'learning rate after warm-up',
    group: 'Training',
  }),
  seed: optional({
    flag: 'seed',
    placeholder: 'N',
    parse: numberText(settings.seed),
    defaultText: String(defaults.seed),
    help: "seed of the adapter's start and of the order of batches",
    group: 'Training',
  }),
  ...trainingOptions,
  pairs: pairLimit,
  metrics: required({
    flag: 'metrics',
    placeholder: 'F.jsonl',
    parse: textValue,
    help: 'one line of metrics per optimizer step',
    group: 'Output',
  }),
  adapterOut: required({
    flag: 'adapter-out',
    placeholder: 'DIR',
    parse: textValue,
    help: "folder for the adapter in PEFT's format; with --full or --init for the whole model",
    group: 'Output',
  }),
};

/** The training that options ask for, but for its files. */
export function trainingOf(
  {
    model,
    init,
    loss,
    lossParameter: parts,
    learningRate,
    seed,
    ...rest
  }: Omit<OptionValues<typeof trainOptions>, TrainFiles>,
  threads: number | undefined,
): Pick<TrainRequest, 'start' | 'config'> {
  const values = { model, init, loss, learningRate, seed, ...rest };
  const table: OptionTable = trainOptions;
  refuseTogether(table, values, ['model', 'init']);
  const start = model !== undefined ? { model } : init !== undefined ? { init } : undefined;
  if (start === undefined) throw new UsageError('train needs --model M or --init config.json');
  if (init !== undefined) {
    for (const name of ['loraRank', 'loraAlpha', 'loraTargets', 'initAdapter'] as const)
      refuseTogether(table, values, ['init', name]);
  }
  const { evalEvery, evalData, evalShare, evalSplit } = rest;
  if (evalEvery !== undefined && (evalData ?? evalShare) === undefined && !evalSplit) {
    throw new UsageError('--eval-every needs held-out rows: --eval-data D, --eval-share S or --eval-split');
  }
  const config = parseRunConfig({
    ...sharedSettingsOf(rest, threads),
    // Random weights have nothing for an adapter to stand on.
    ...(init === undefined ? {} : { full: true }),
    loss,
    ...given({ lossParameters: lossParametersOf(parts) }),
    learningRate,
    seed,
  });
  return { start, config };
}
type TrainFiles = 'data' | 'pairs' | 'metrics' | 'adapterOut';

const watched: readonly (readonly [string, MetricName, (value: number | undefined) => string])[] = [
  ['loss', 'loss', formatNumber],
  ['reward margin', 'rewards/margins', formatNumber],
  ['reward accuracy', 'rewards/accuracies', formatPercent],
  ['c per token', 'logratio/chosen_per_token', formatNumber],
  ['r per token', 'logratio/rejected_per_token', formatNumber],
  ['gate open', 'gate/open', formatPercent],
  ['gradient norm', 'grad_norm', formatNumber],
  ['token accuracy', 'mean_token_accuracy', formatPercent],
];

/** Held-out measures, one a line; what does not apply is left out. */
export function describeEvaluation(evaluation: Evaluation): string {
  const { pairs, ties, task, preferenceAccuracy } = evaluation;
  const lines: [string, string][] = [];
  if (task !== undefined)
    lines.push([
      'task accuracy',
      `${formatPercent(task.correct / task.questions)} of ${formatCount(task.questions)} questions`,
    ]);
  // Without a reference c and r are 0 by definition, not by measurement.
  if (preferenceAccuracy !== undefined)
    lines.push(
      [
        'preference accuracy',
        `${formatPercent(preferenceAccuracy)}${ties > 0 ? `, ${ties} with c = r` : ''}`,
      ],
      ['c (chosen log-ratio)', formatNumber(evaluation.meanChosenLogRatio)],
      ['r (rejected log-ratio)', formatNumber(evaluation.meanRejectedLogRatio)],
      ['margin c - r', formatNumber(evaluation.meanMargin)],
    );
  lines.push(['chosen above rejected', formatPercent(evaluation.preferenceAccuracyRaw)]);
  return [`held out, ${pairs} pairs`, ...lines.map(([name, text]) => `  ${name.padEnd(24)}${text}`)].join(
    '\n',
  );
}

/** "kappa 0.25, " */
function parametersText({ lossParameters = {} }: TrainResult['config']): string {
  return Object.entries(lossParameters)
    .map(([name, value]) => `${name} ${formatNumber(value)}, `)
    .join('');
}

function describeTraining(result: TrainResult): string {
  const { config, first, last } = result;
  const rows = watched
    .filter(([, metric]) => first[metric] !== undefined || last[metric] !== undefined)
    .map(([name, metric, format]) => [name, format(first[metric]), format(last[metric])]);
  return [
    `${describeLoss(config.loss).label}, ${parametersText(config)}${describeLoss(config.loss).usesBeta ? `beta ${formatNumber(config.beta)}, ` : ''}lr ${formatLearningRate(config.learningRate)}, ` +
      `seed ${config.seed}: ${result.steps} steps on ${describeCounts(result.counts)}`,
    `${formatParameters(result.trainedParameters)} trained parameters, ${formatElapsed(result.seconds)}, ` +
      `peak memory ${formatBytes(result.peakMemory)}`,
    '',
    renderTable(
      [{ title: '' }, { title: 'first step', align: 'right' }, { title: 'last step', align: 'right' }],
      rows,
    ),
    ...(result.evaluation === undefined ? [] : ['', describeEvaluation(result.evaluation)]),
    '',
    `metrics written to ${result.metrics}`,
    `${config.full ? 'model' : 'adapter'} written to ${result.adapterOut}`,
  ].join('\n');
}

export const train = defineCommand({
  name: 'train',
  summary: 'train a model with one loss',
  details: [
    'Trains a LoRA adapter (or with --full every weight) and writes one line of metrics per optimizer step, under the ' +
      "names that TRL uses, and the adapter in PEFT's format.",
    ...lossNames.map((name) => `${name}: ${describeLoss(name).formula}`),
    'c and r are the log-ratios log p - log p_ref of the chosen and of the rejected answer.',
  ],
  positionals: [],
  options: { ...trainOptions, ...jobOptions },
  examples: [
    'train --model small --data gsm8k --loss minor-dpo --metrics m.jsonl --adapter-out out',
    'train --init config.json --data d.jsonl --loss sft --metrics m.jsonl --adapter-out out',
  ],
  run: async (context, { options: values }) => {
    const { data, metrics, adapterOut, pairs, queue, force, checkpointEvery, project, ...rest } = values;
    const request = {
      ...trainingOf(rest, context.threads),
      ...{ data, metrics, adapterOut },
      ...given({ pairs, checkpointEvery, project }),
      ...(force ? { force } : {}),
    };
    const services = await context.services();
    return queue ? services.queueTrain(request, context.call) : services.train(request, context.call);
  },
  render: (result) => ('job' in result ? describeQueued(result) : describeTraining(result)),
});
