import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { InputError } from '../../../shared/errors.ts';
import type { Message } from '../../../shared/preferences.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Options of rendering a conversation. */
export interface ChatOptions {
  /** Ends with the header of the assistant's turn, for a prompt that is to be answered. */
  readonly addGenerationPrompt?: boolean;
}

type Program = ReturnType<typeof parse>;

const programs = new WeakMap<Tokenizer, Program>();

/**
 * Renders a conversation with the tokenizer's chat template, as transformers' `apply_chat_template(tokenize=False)` does:
 * Jinja with `trim_blocks` and `lstrip_blocks`; the special tokens by name, `tools` and `documents` as none. Known to
 * differ in the Jinja library: a boolean written out is `true`, not `True`, and `trim` takes JavaScript's white space.
 *
 * @throws InputError where there is no template, or the template refuses the conversation.
 */
export function renderChat(
  tokenizer: Tokenizer,
  messages: readonly Message[],
  options: ChatOptions = {},
): string {
  const place = { file: tokenizer.folder };
  if (messages.length === 0) throw new InputError('a chat template needs at least one message');
  try {
    const environment = templateEnvironment();
    const variables: Record<string, unknown> = {
      ...tokenizer.specialTokens,
      messages: messages.map(({ role, content }) => ({ role, content })),
      tools: null,
      documents: null,
      add_generation_prompt: options.addGenerationPrompt ?? false,
    };
    for (const [name, value] of Object.entries(variables)) environment.set(name, value);
    const result = new Interpreter(environment).run(programOf(tokenizer));
    return result.value as string;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`chat template: ${(error as Error).message.replace(/\s+/g, ' ')}`, place);
  }
}

/** The ids of a rendered conversation; nothing is added, since templates write special tokens themselves. */
export function tokenizeChat(
  tokenizer: Tokenizer,
  messages: readonly Message[],
  options: ChatOptions = {},
): number[] {
  return tokenizer.encode(renderChat(tokenizer, messages, options), { addSpecialTokens: false });
}

function programOf(tokenizer: Tokenizer): Program {
  const known = programs.get(tokenizer);
  if (known !== undefined) return known;
  if (tokenizer.chatTemplate === undefined) {
    throw new InputError(
      'the model has no chat template, so it cannot take chat messages; give prompts and answers as text',
      {
        file: tokenizer.folder,
      },
    );
  }
  // Jinja in Python reads every kind of line end as one newline.
  const source = tokenizer.chatTemplate.replace(/\r\n?/g, '\n');
  const program = parse(tokenize(source, { trim_blocks: true, lstrip_blocks: true }));
  programs.set(tokenizer, program);
  return program;
}

/** What the library's own `Template` defines, but with month names in English whatever the machine's language. */
function templateEnvironment(): Environment {
  const environment = new Environment();
  for (const name of ['true', 'True']) environment.set(name, true);
  for (const name of ['false', 'False']) environment.set(name, false);
  for (const name of ['none', 'None']) environment.set(name, null);
  environment.set('raise_exception', (message: string) => {
    throw new Error(message);
  });
  environment.set('range', range);
  environment.set('strftime_now', (format: string) => formatTime(new Date(), format));
  return environment;
}

function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  if (step === 0) throw new Error('range() arg 3 must not be zero');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  return Array.from({ length }, (_, at) => start + at * step);
}

/** Python's `strftime` in the C locale, local time, for the directives that templates use; others stay as they stand. */
export function formatTime(time: Date, format: string): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const name = (options: Intl.DateTimeFormatOptions): string =>
    new Intl.DateTimeFormat('en-US', options).format(time);
  return format.replace(/%([YymdBbAaHMSp%])/g, (_, directive: string) => {
    switch (directive) {
      case 'Y':
        return String(time.getFullYear());
      case 'y':
        return two(time.getFullYear() % 100);
      case 'm':
        return two(time.getMonth() + 1);
      case 'd':
        return two(time.getDate());
      case 'B':
        return name({ month: 'long' });
      case 'b':
        return name({ month: 'short' });
      case 'A':
        return name({ weekday: 'long' });
      case 'a':
        return name({ weekday: 'short' });
      case 'H':
        return two(time.getHours());
      case 'M':
        return two(time.getMinutes());
      case 'S':
        return two(time.getSeconds());
      case 'p':
        return time.getHours() < 12 ? 'AM' : 'PM';
      default:
        return '%';
    }
  });
}
