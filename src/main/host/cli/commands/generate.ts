import { z } from 'zod';
import { defaults, settings, wholeNumber } from '../../../../shared/config.ts';
import type { GenerateRequest, GenerateSettings } from '../../../../shared/contract.ts';
import { UsageError } from '../../../../shared/errors.ts';
import { formatElapsed, formatRate } from '../../../../shared/format.ts';
import { defineCommand } from '../command.ts';
import { numberText, optional, required, textValue, toggle, withDefault } from '../option.ts';
import { adapter, given, optionalModel } from './names.ts';

const sampling = 'Sampling';
const temperature = z.number().min(0, { error: 'must be 0 or more' });
const topP = z.number().gt(0, { error: 'must be above 0' }).max(1, { error: 'must be 1 or less' });

interface Asked {
  readonly model?: string;
  readonly adapter?: string;
  readonly run?: number;
  readonly step?: number;
}

function withPolicy(
  settings: GenerateSettings,
  { model, adapter: folder, run, step }: Asked,
): GenerateRequest {
  if ((model === undefined) === (run === undefined))
    throw new UsageError('generate needs one of --model M and --run N');
  if (run === undefined) {
    if (step !== undefined) throw new UsageError('--step needs --run N');
    return { ...settings, model: model!, ...given({ adapter: folder }) };
  }
  if (folder !== undefined) throw new UsageError('--adapter needs --model M');
  return { ...settings, run, ...given({ step }) };
}

export const generate = defineCommand({
  name: 'generate',
  summary: 'continue a prompt, or answer it',
  details: ['Text is written as it comes. Temperature 0 takes the likeliest token each time.'],
  positionals: [],
  options: {
    model: optionalModel,
    adapter,
    run: optional({
      flag: 'run',
      placeholder: 'N',
      parse: numberText(wholeNumber(1)),
      help: "instead of --model: a run's checkpoint, on the model that it was started from",
      group: 'Input',
    }),
    step: optional({
      flag: 'step',
      placeholder: 'N',
      parse: numberText(wholeNumber(1)),
      defaultText: 'the last',
      help: "which of the run's checkpoints",
      group: 'Input',
    }),
    prompt: required({
      flag: 'prompt',
      placeholder: 'T',
      parse: textValue,
      help: 'text to continue',
      group: 'Input',
    }),
    chat: toggle({
      flag: 'chat',
      help: "put the prompt as a user's message through the model's chat template",
      group: 'Input',
    }),
    maxTokens: withDefault({
      flag: 'max-tokens',
      placeholder: 'N',
      parse: numberText(wholeNumber(1)),
      absent: 256,
      help: 'tokens to generate at most',
      group: sampling,
    }),
    temperature: withDefault({
      flag: 'temperature',
      placeholder: 'X',
      parse: numberText(temperature),
      absent: 0,
      help: '0 is greedy, 1 samples from the model as it is',
      group: sampling,
    }),
    topP: withDefault({
      flag: 'top-p',
      placeholder: 'X',
      parse: numberText(topP),
      absent: 1,
      help: 'sample from the likeliest tokens that make up this probability',
      group: sampling,
    }),
    weights: withDefault({
      flag: 'weights',
      placeholder: 'KIND',
      parse: z.enum(['float32', '8bit'] as const, {
        error: (issue) => `must be float32 or 8bit, not "${String(issue.input)}"`,
      }),
      absent: 'float32' as 'float32' | '8bit',
      help: "8bit rounds the model's matrices to bytes while they are read: faster, and answers can differ a little",
      group: 'Input',
    }),
    seed: withDefault({
      flag: 'seed',
      placeholder: 'N',
      parse: numberText(settings.seed),
      absent: defaults.seed,
      help: 'seed of the sampling',
      group: sampling,
    }),
  },
  examples: [
    'generate --model small --chat --prompt "What is 17 + 25?"',
    'generate --run 3 --step 200 --prompt "What is 17 + 25?"',
  ],
  run: async (context, { options }) => {
    const { model, adapter: folder, run, step, ...settings } = options;
    const request = withPolicy(
      { ...settings, ...given({ threads: context.threads }) },
      given({ model, adapter: folder, run, step }),
    );
    const services = await context.services();
    const result = await services.generate(request, { ...context.call, onToken: context.write });
    context.write('\n');
    context.note(
      `${result.tokens} tokens in ${formatElapsed(result.seconds)} (${formatRate(result.tokens / result.seconds, 'tokens')})` +
        (result.finish === 'length' ? ', ended by --max-tokens' : ''),
    );
    return result;
  },
  // Written piece by piece while it ran.
  render: () => '',
});
