import { defaults, parseSharedSettings, settings, wholeNumber } from '../../../../shared/config.ts';
import { formatDuration, formatExponent } from '../../../../shared/format.ts';
import { lossNames } from '../../../../shared/losses.ts';
import type { LossName } from '../../../../shared/losses.ts';
import type { CompareResult } from '../../../service/contract.ts';
import { defineCommand } from '../command.ts';
import { listText, numberText, optional, textValue, withDefault } from '../option.ts';
import { requiredData, requiredModel } from './names.ts';
import { describeCounts } from './score.ts';
import { sharedSettingsOf, trainingOptions } from './training-options.ts';

/** Held out where the person says nothing: without held-out pairs there is nothing to compare. */
const defaultEvalShare = 0.2;

const grid = 'Grid';

/** The table, the verdicts and where things lie. */
export function describeComparison(result: CompareResult): string {
  return [
    `trained on ${result.trainingPairs} pairs, evaluated on ${result.evaluationPairs} held-out ones ` +
      `(${describeCounts(result.counts)}), ${formatDuration(result.seconds)}`,
    '',
    result.table.trimEnd(),
    ...(result.verdicts.length === 0 ? [] : ['', ...result.verdicts.map((verdict) => verdict.text)]),
    ...(result.out === undefined && result.report === undefined ? [] : ['']),
    ...(result.out === undefined ? [] : [`adapters and metrics: ${result.out}`]),
    ...(result.report === undefined ? [] : [`report: ${result.report}`]),
  ].join('\n');
}

export const compare = defineCommand({
  name: 'compare',
  summary: 'train losses under identical conditions and say whether they differ',
  details: [
    'Trains every loss of --arms at every learning rate of --lr with every seed of --seeds. Runs with the same seed ' +
      'start from the same adapter and see the same batches, so that at one learning rate only the loss differs. Every ' +
      'run and the untrained model are evaluated on held-out pairs.',
  ],
  positionals: [],
  options: {
    model: requiredModel,
    data: requiredData,
    pairs: optional({
      flag: 'pairs',
      placeholder: 'N',
      parse: numberText(wholeNumber(1)),
      defaultText: 'all',
      help: 'use only the first N rows of the data',
      group: 'Input',
    }),
    arms: withDefault<LossName[]>({
      flag: 'arms',
      placeholder: 'LIST',
      parse: listText<LossName>(settings.loss),
      absent: ['dpo', 'minor-dpo'],
      help: `losses to compare, of ${lossNames.join(', ')}`,
      group: grid,
    }),
    learningRates: withDefault({
      flag: 'lr',
      placeholder: 'LIST',
      parse: listText(numberText(settings.learningRate)),
      absent: [defaults.learningRate],
      defaultText: formatExponent(defaults.learningRate),
      help: 'learning rates, e.g. 5e-6,5e-5',
      group: grid,
    }),
    seeds: withDefault({
      flag: 'seeds',
      placeholder: 'LIST',
      parse: listText(numberText(settings.seed)),
      absent: [defaults.seed],
      help: 'seeds, e.g. 0,1; intervals need two or more',
      group: grid,
    }),
    ...trainingOptions,
    evalShare: { ...trainingOptions.evalShare, defaultText: `${defaultEvalShare} without --eval-data` },
    report: optional({
      flag: 'report',
      placeholder: 'F.html',
      parse: textValue,
      help: 'write a self-contained report with plots',
      group: 'Output',
    }),
    out: optional({
      flag: 'out',
      placeholder: 'DIR',
      parse: textValue,
      help: "folder for every run's adapter and metrics",
      group: 'Output',
    }),
  },
  examples: ['compare --model small --data gsm8k --lr 5e-6,5e-5 --seeds 0,1 --report report.html'],
  run: async (context, { options }) => {
    const { model, data, pairs, arms, learningRates, seeds, report, out, ...rest } = options;
    const input = sharedSettingsOf(rest, context.threads);
    const held =
      input.evalData === undefined && input.evalShare === undefined ? { evalShare: defaultEvalShare } : {};
    const shared = parseSharedSettings({ ...input, ...held });
    const services = await context.services();
    return services.compare(
      {
        model,
        data,
        arms,
        learningRates,
        seeds,
        shared,
        ...(pairs === undefined ? {} : { pairs }),
        ...(report === undefined ? {} : { report }),
        ...(out === undefined ? {} : { out }),
      },
      context.call,
    );
  },
  render: describeComparison,
});
