import { defaults, parseSharedSettings, settings, wholeNumber } from '../../../../shared/config.ts';
import { UsageError } from '../../../../shared/errors.ts';
import { formatElapsed, formatLearningRate } from '../../../../shared/format.ts';
import { armText } from '../../../../shared/arms.ts';
import { lossNames } from '../../../../shared/losses.ts';
import { fewestSeeds } from '../../../../shared/verdict.ts';
import type { CompareAgainResult, CompareRequest, CompareResult } from '../../../../shared/contract.ts';
import { defineCommand, type CommandContext } from '../command.ts';
import { listText, numberText, optional, textValue, withDefault } from '../option.ts';
import type { OptionValues } from '../option.ts';
import { describeRepetition, optionsOfCommand, refuseBesideFrom, withPlaces } from './compare-again.ts';
import { describeQueued, jobOptions } from './job-options.ts';
import { given, optionalData, optionalModel, pairLimit, requiredData, requiredModel } from './names.ts';
import { describeCounts } from './score.ts';
import { refuseTogether, sharedSettingsOf, trainingOptions } from './training-options.ts';

/** Held out where the person says nothing: without held-out pairs there is nothing to compare. */
const defaultEvalShare = 0.2;

/** Longest answer to a task's question. */
const defaultTaskTokens = 256;

const grid = 'Grid';
const firstGroup = 'SFT first';

/** What was trained and measured on what, the table (it holds the verdicts), and where things lie. */
export function describeComparison(result: CompareResult): string {
  const { trainPairs, evalPairs } = result.comparison.data;
  const { skipped, truncated } = result.counts;
  const left = skipped + truncated > 0 ? describeCounts(result.counts) : '';
  return [
    `trained on ${trainPairs} pairs${left === '' ? '' : ` (${left})`}, evaluated on ${evalPairs} held-out ones, ` +
      formatElapsed(result.seconds),
    '',
    result.table.trimEnd(),
    ...(result.out === undefined && result.report === undefined ? [] : ['']),
    ...(result.out === undefined ? [] : [`adapters and metrics: ${result.out}`]),
    ...(result.report === undefined ? [] : [`report: ${result.report}`]),
  ].join('\n');
}

/** Options of a comparison, for whatever is done with it. */
export const compareOptions = {
  model: requiredModel,
  data: requiredData,
  pairs: pairLimit,
  arms: withDefault({
    flag: 'arms',
    placeholder: 'LIST',
    parse: listText(armText),
    absent: ['dpo', 'minor-dpo'],
    help: `losses to compare, of ${lossNames.join(', ')}; with parameters of their own as in kappa-dpo:kappa=0.25`,
    group: grid,
  }),
  learningRates: withDefault({
    flag: 'lr',
    placeholder: 'LIST',
    parse: listText(numberText(settings.learningRate)),
    absent: [defaults.learningRate],
    defaultText: formatLearningRate(defaults.learningRate),
    help: 'learning rates, e.g. 5e-6,5e-5',
    group: grid,
  }),
  betas: optional({
    flag: 'betas',
    placeholder: 'LIST',
    parse: listText(numberText(settings.beta)),
    help: 'values of β to compare at, e.g. 0.05,0.1; a loss that ignores β is trained once; not with --beta',
    group: grid,
  }),
  seeds: withDefault({
    flag: 'seeds',
    placeholder: 'LIST',
    parse: listText(numberText(settings.seed)),
    absent: [defaults.seed],
    help: `seeds, e.g. 0,1,2; a verdict needs ${fewestSeeds} or more`,
    group: grid,
  }),
  sftFirst: optional({
    flag: 'sft-first',
    placeholder: 'LR',
    parse: numberText(settings.learningRate),
    help: 'first fine-tune on the chosen answers at this learning rate; the arms of a seed start from that',
    group: firstGroup,
  }),
  sftEpochs: optional({
    flag: 'sft-epochs',
    placeholder: 'N',
    parse: numberText(settings.epochs),
    defaultText: String(defaults.epochs),
    help: 'its passes over the data; not with --sft-steps',
    group: firstGroup,
  }),
  sftSteps: optional({
    flag: 'sft-steps',
    placeholder: 'N',
    parse: numberText(settings.steps),
    help: 'its optimizer steps; not with --sft-epochs',
    group: firstGroup,
  }),
  ...trainingOptions,
  evalShare: { ...trainingOptions.evalShare, defaultText: `${defaultEvalShare} without --eval-data` },
  taskData: optional({
    flag: 'task-data',
    placeholder: 'FILE',
    parse: textValue,
    help: 'JSONL of questions, each with prompt and answer: every model answers greedily, exact match counts',
    group: 'Evaluation',
  }),
  taskTokens: optional({
    flag: 'task-tokens',
    placeholder: 'N',
    parse: numberText(wholeNumber(1)),
    defaultText: String(defaultTaskTokens),
    help: 'longest answer to a question, in tokens; with --task-data',
    group: 'Evaluation',
  }),
  evalQuestions: optional({
    flag: 'eval-questions',
    placeholder: 'N',
    parse: numberText(wholeNumber(0)),
    defaultText: '0',
    help: 'with --eval-every and --task-data: the first N questions are answered at each evaluation on the way',
    group: 'Evaluation',
  }),
  driftPrompts: optional({
    flag: 'kl-prompts',
    placeholder: 'N',
    parse: numberText(wholeNumber(0)),
    defaultText: String(defaults.driftPrompts),
    help: 'prompts after which each final policy is sampled for its KL to the reference; 0: none',
    group: 'Evaluation',
  }),
  report: optional({
    flag: 'report',
    placeholder: 'F.html',
    parse: textValue,
    help: 'write a self-contained report with plots; as .md, .csv or .json in that form',
    group: 'Output',
  }),
  out: optional({
    flag: 'out',
    placeholder: 'DIR',
    parse: textValue,
    help: "folder for every run's adapter and metrics",
    group: 'Output',
  }),
};

/** The comparison that options ask for. */
export function comparisonOf(
  options: OptionValues<typeof compareOptions>,
  threads: number | undefined,
): CompareRequest {
  const {
    model,
    data,
    pairs,
    arms,
    learningRates,
    betas,
    seeds,
    taskData,
    taskTokens,
    evalQuestions,
    driftPrompts,
    report,
    out,
    sftFirst: learningRate,
    sftEpochs: epochs,
    sftSteps: steps,
    ...rest
  } = options;
  refuseTogether(compareOptions, options, ['beta', 'betas']);
  refuseTogether(compareOptions, options, ['sftEpochs', 'sftSteps']);
  refuseTogether(compareOptions, options, ['full', 'sftFirst']);
  if (learningRate === undefined && epochs !== undefined)
    throw new UsageError('--sft-epochs needs --sft-first LR');
  if (learningRate === undefined && steps !== undefined)
    throw new UsageError('--sft-steps needs --sft-first LR');
  const sftFirst = learningRate === undefined ? undefined : { learningRate, ...given({ epochs, steps }) };
  if (taskTokens !== undefined && taskData === undefined)
    throw new UsageError('--task-tokens needs --task-data FILE');
  if (evalQuestions !== undefined && (taskData === undefined || rest.evalEvery === undefined))
    throw new UsageError('--eval-questions needs --task-data FILE and --eval-every N');
  const input = sharedSettingsOf(rest, threads);
  const held =
    input.evalData === undefined && input.evalShare === undefined && input.evalSplit === undefined
      ? { evalShare: defaultEvalShare }
      : {};
  const shared = parseSharedSettings({ ...input, ...held });
  return {
    model,
    data,
    arms,
    learningRates,
    seeds,
    shared,
    ...given({ betas, sftFirst, pairs, report, out, taskData, evalQuestions, driftPrompts }),
    ...(taskData === undefined ? {} : { taskTokens: taskTokens ?? defaultTaskTokens }),
  };
}

const compareCommandOptions = {
  ...compareOptions,
  model: optionalModel,
  data: optionalData,
  from: optional({
    flag: 'from',
    placeholder: 'F.html|F.json',
    parse: textValue,
    help: 'a report whose comparison is carried out again and held against it; --model and --data say where they are now',
    group: 'Input',
  }),
  ...jobOptions,
};

/** Carries a report's command out again. */
async function again(
  context: CommandContext,
  from: string,
  values: OptionValues<typeof compareCommandOptions>,
  extra: Partial<CompareRequest>,
): Promise<CompareAgainResult> {
  refuseBesideFrom(compareCommandOptions, values);
  const services = await context.services();
  const { result } = await services.readReport({ path: from });
  const { options, threads } = optionsOfCommand(result.command, compareOptions, from);
  // Safe: it was parsed by this very table. Where the report's own command wrote its results is none of this one's business.
  const parsed = options as OptionValues<typeof compareOptions>;
  const request = comparisonOf({ ...parsed, report: undefined, out: undefined }, context.threads ?? threads);
  const { model, data, evalData, taskData, initAdapter, report, out } = values;
  const places = given({ model, data, evalData, taskData, initAdapter, report, out });
  return services.compareAgain({ from, request: withPlaces(request, { ...extra, ...places }) }, context.call);
}

export const compare = defineCommand({
  name: 'compare',
  summary: 'train losses under identical conditions and say whether they differ',
  details: [
    'Trains every loss of --arms at every learning rate of --lr and every β of --betas with every seed of --seeds. Runs ' +
      'with the same seed start from the same adapter and see the same batches, so that at one learning rate and β only ' +
      'the loss differs. Every ' +
      'run and the untrained model are evaluated on held-out pairs, and with --task-data on ' +
      'questions that have one right answer. A question in two of training, held-out pairs and task is refused.',
    'With --sft-first every seed begins with supervised fine-tuning on the chosen answers, and its arms start from that, ' +
      'which is also their reference.',
    'With --from a report is made again: its command is carried out, and every number is held against the report. Where one ' +
      'differs in a single bit, it is named and the exit code is 1.',
  ],
  positionals: [],
  options: compareCommandOptions,
  examples: [
    'compare --model small --data gsm8k --betas 0.05,0.1 --sft-first 2e-5 --seeds 0,1,2',
    'compare --model small --data gsm8k --lr 5e-6,5e-5 --seeds 0,1,2 --report report.html',
    'compare --from report.html',
  ],
  run: async (context, { options }) => {
    const { from, model, data, queue, force, checkpointEvery, project, ...values } = options;
    const extra = { ...given({ checkpointEvery, project }), ...(force ? { force } : {}) };
    if (from !== undefined) return again(context, from, options, extra);
    if (model === undefined || data === undefined)
      throw new UsageError(`compare needs ${model === undefined ? '--model M' : '--data D'}, or --from F`);
    const request = { ...comparisonOf({ model, data, ...values }, context.threads), ...extra };
    const services = await context.services();
    return queue ? services.queueCompare(request, context.call) : services.compare(request, context.call);
  },
  render: (result) =>
    'job' in result
      ? describeQueued(result)
      : 'same' in result
        ? describeRepetition(result)
        : describeComparison(result),
  failed: (result) => 'same' in result && !result.same,
});
