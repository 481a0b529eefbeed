import { z } from 'zod';
import { settings, wholeNumber } from '../../../../../shared/config.ts';
import type { JudgingPrompts, Policy } from '../../../../../shared/contract.ts';
import { UsageError } from '../../../../../shared/errors.ts';
import { defineCommand } from '../../command.ts';
import { numberText, optional, repeated, required, textValue, toggle, withDefault } from '../../option.ts';
import { given } from '../names.ts';
import { judgingTable } from './text.ts';

const [input, sampling] = ['Input', 'Sampling'];
const sides = ['all', 'train', 'eval'] as const;

const policyText: z.ZodType<Policy, string> = textValue.transform((text) => {
  const found = /^run:([1-9]\d*)(?:@(\d+))?$/.exec(text);
  if (!found) return { model: text };
  return { run: Number(found[1]), ...(found[2] === undefined ? {} : { step: Number(found[2]) }) };
});
const policy = (flag: string, which: string) =>
  required({
    flag,
    placeholder: 'P',
    parse: policyText,
    help: `the ${which} policy: a model, or run:N or run:N@STEP for a checkpoint`,
    group: input,
  });

function promptsOf(
  data: string | undefined,
  side: (typeof sides)[number],
  comparison: number | undefined,
  texts: readonly string[],
): JudgingPrompts {
  const sources: JudgingPrompts[] = [
    ...(data === undefined ? [] : [{ data, side }]),
    ...(comparison === undefined ? [] : [{ comparison }]),
    ...(texts.length === 0 ? [] : [{ texts }]),
  ];
  if (sources.length !== 1) throw new UsageError('judge new needs one of --data, --comparison and --prompt');
  return sources[0]!;
}

export const newJudging = defineCommand({
  name: 'judge new',
  summary: 'let two policies answer the same prompts, to be judged blind',
  details: [
    'Prompts come in a drawn order, and for each it is drawn which answer is shown as A and which as B. Which is whose is ' +
      'told by "judge result".',
    'Answers are generated at once; with --later, or after an interruption, "judge prepare" makes those that are missing.',
  ],
  positionals: [],
  options: {
    first: policy('first', 'first'),
    second: policy('second', 'second'),
    data: optional({
      flag: 'data',
      placeholder: 'D',
      parse: textValue,
      help: 'prompts of an imported dataset',
      group: input,
    }),
    side: withDefault({
      flag: 'side',
      placeholder: 'S',
      parse: z.enum(sides, { error: `must be one of ${sides.join(', ')}` }),
      absent: 'all' as (typeof sides)[number],
      help: 'which rows of a split dataset: all, train or eval',
      group: input,
    }),
    comparison: optional({
      flag: 'comparison',
      placeholder: 'N',
      parse: numberText(wholeNumber(1)),
      help: 'the prompts that a comparison held out of training',
      group: input,
    }),
    prompt: repeated({
      flag: 'prompt',
      placeholder: 'T',
      parse: textValue,
      help: 'a prompt; may be given several times',
      group: input,
    }),
    most: optional({
      flag: 'most',
      placeholder: 'N',
      parse: numberText(wholeNumber(1)),
      defaultText: 'all',
      help: 'prompts to draw at most',
      group: input,
    }),
    name: optional({
      flag: 'name',
      placeholder: 'NAME',
      parse: textValue,
      help: 'what lists call it',
      defaultText: 'both policies',
      group: input,
    }),
    project: optional({
      flag: 'project',
      placeholder: 'NAME',
      parse: textValue,
      help: 'the project it belongs to',
      group: input,
    }),
    later: toggle({ flag: 'later', help: 'generate nothing yet', group: input }),
    chat: toggle({
      flag: 'chat',
      help: "put prompts that are text as a user's message through the chat template",
      group: sampling,
    }),
    maxTokens: withDefault({
      flag: 'max-tokens',
      placeholder: 'N',
      parse: numberText(wholeNumber(1)),
      absent: 256,
      help: 'tokens of an answer at most',
      group: sampling,
    }),
    temperature: withDefault({
      flag: 'temperature',
      placeholder: 'X',
      parse: numberText(z.number().min(0, { error: 'must be 0 or more' })),
      absent: 0,
      help: '0 is greedy, 1 samples from the model as it is',
      group: sampling,
    }),
    topP: withDefault({
      flag: 'top-p',
      placeholder: 'X',
      parse: numberText(
        z.number().gt(0, { error: 'must be above 0' }).max(1, { error: 'must be 1 or less' }),
      ),
      absent: 1,
      help: 'sample from the likeliest tokens that make up this probability',
      group: sampling,
    }),
    seed: optional({
      flag: 'seed',
      placeholder: 'N',
      parse: numberText(settings.seed),
      defaultText: 'drawn, and told with the result',
      help: 'seed of sampling, order and sides',
      group: sampling,
    }),
  },
  examples: [
    'judge new --first small --second run:3 --data pairs --side eval --most 50',
    'judge new --first run:3 --second run:4@200 --comparison 1 --temperature 0.7',
  ],
  run: async (context, { options }) => {
    const { first, second, data, side, comparison, prompt, later, most, name, project, seed, ...sampled } =
      options;
    const prompts = promptsOf(data, side, comparison, prompt);
    const services = await context.services();
    const judging = await services.startJudging(
      { policies: [first, second], prompts, ...sampled, ...given({ most, name, project, seed }) },
      context.call,
    );
    if (later) return judging;
    context.note(`judging ${judging.id}; after an interruption: plumbline judge prepare ${judging.id}`);
    return services.prepareJudging({ judging: judging.id }, context.call);
  },
  render: (judging) =>
    `${judgingTable([judging])}\n\nnext: plumbline judge show ${judging.id}, then plumbline judge vote ${judging.id} <item> <vote>`,
});
