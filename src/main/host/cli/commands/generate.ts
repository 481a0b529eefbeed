import { z } from 'zod';
import { defaults, settings, wholeNumber } from '../../../../shared/config.ts';
import { formatElapsed, formatRate } from '../../../../shared/format.ts';
import { defineCommand } from '../command.ts';
import { numberText, required, textValue, toggle, withDefault } from '../option.ts';
import { adapter, given, requiredModel } from './names.ts';

const sampling = 'Sampling';
const temperature = z.number().min(0, { error: 'must be 0 or more' });
const topP = z.number().gt(0, { error: 'must be above 0' }).max(1, { error: 'must be 1 or less' });

export const generate = defineCommand({
  name: 'generate',
  summary: 'continue a prompt, or answer it',
  details: ['Text is written as it comes. Temperature 0 takes the likeliest token each time.'],
  positionals: [],
  options: {
    model: requiredModel,
    adapter,
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
    seed: withDefault({
      flag: 'seed',
      placeholder: 'N',
      parse: numberText(settings.seed),
      absent: defaults.seed,
      help: 'seed of the sampling',
      group: sampling,
    }),
  },
  examples: ['generate --model small --chat --prompt "What is 17 + 25?"'],
  run: async (context, { options }) => {
    const { adapter: folder, ...request } = options;
    const services = await context.services();
    const result = await services.generate(
      {
        model: request.model,
        prompt: request.prompt,
        chat: request.chat,
        maxTokens: request.maxTokens,
        temperature: request.temperature,
        topP: request.topP,
        seed: request.seed,
        ...given({ adapter: folder, threads: context.threads }),
      },
      { ...context.call, onToken: context.write },
    );
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
