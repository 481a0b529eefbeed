import { Environment, parse, tokenize } from '@huggingface/jinja';
import { InputError } from '../../../shared/errors.ts';
import type { Message } from '../../../shared/preferences.ts';
import { allowance, BoundedInterpreter, Budget } from './bounded-interpreter.ts';
import { runLimited } from './time-limit.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Options of rendering a conversation. */
export interface ChatOptions {
  /** Ends with the header of the assistant's turn, for a prompt that is to be answered. */
  readonly addGenerationPrompt?: boolean;
}

type Program = ReturnType<typeof parse>;

const programs = new WeakMap<Tokenizer, Program>();

/** The longest known, with rules for tools in many languages, have under 30,000 characters. */
const longestTemplate = 1 << 18;

/**
 * Renders a conversation with the tokenizer's chat template, as transformers' `apply_chat_template(tokenize=False)` does:
 * Jinja with `trim_blocks` and `lstrip_blocks`; the special tokens by name, `tools` and `documents` as none. Known to
 * differ in the Jinja library: a boolean written out is `true`, not `True`, and `trim` takes JavaScript's white space.
 *
 * A template comes with a model, so what it may do is bounded: see `allowance`.
 *
 * @throws InputError where there is no template, the template refuses the conversation, or it loops too long or makes too
 * much text.
 */
export function renderChat(
  tokenizer: Tokenizer,
  messages: readonly Message[],
  options: ChatOptions = {},
): string {
  const place = { file: tokenizer.folder };
  if (messages.length === 0) throw new InputError('a chat template needs at least one message');
  try {
    const program = programOf(tokenizer);
    const length = messages.reduce((sum, { role, content }) => sum + role.length + content.length, 0);
    const budget = new Budget(allowance(messages.length, length));
    const environment = templateEnvironment(budget);
    const variables: Record<string, unknown> = {
      ...tokenizer.specialTokens,
      messages: messages.map(({ role, content }) => ({ role, content })),
      tools: null,
      documents: null,
      add_generation_prompt: options.addGenerationPrompt ?? false,
    };
    for (const [name, value] of Object.entries(variables)) environment.set(name, value);
    return new BoundedInterpreter(environment, budget).run(program).value as string;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`chat template: ${oneLine(error)}`, place);
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
  if (tokenizer.chatTemplate.length > longestTemplate) {
    throw new InputError(`the chat template is longer than ${longestTemplate} characters`, {
      file: tokenizer.folder,
    });
  }
  // Jinja in Python reads every kind of line end as one newline.
  const source = tokenizer.chatTemplate.replace(/\r\n?/g, '\n');
  // The library's reader takes the square of the length of a run of blanks.
  const program = runLimited(() => parse(tokenize(source, { trim_blocks: true, lstrip_blocks: true })));
  programs.set(tokenizer, program);
  return program;
}

/** What the library's own `Template` defines, but with month names in English whatever the machine's language. */
function templateEnvironment(budget: Budget): Environment {
  const environment = new Environment();
  for (const name of ['true', 'True']) environment.set(name, true);
  for (const name of ['false', 'False']) environment.set(name, false);
  for (const name of ['none', 'None']) environment.set(name, null);
  environment.set('raise_exception', (message: string) => {
    throw new Error(message);
  });
  environment.set('range', (first: number, second?: number, step = 1): number[] => {
    const [start, stop] = second === undefined ? [0, first] : [first, second];
    if (step === 0) throw new Error('range() arg 3 must not be zero');
    const length = Math.max(0, Math.ceil((stop - start) / step));
    budget.spend(length);
    return Array.from({ length }, (_, at) => start + at * step);
  });
  environment.set('strftime_now', (format: string) => {
    budget.spend(4 * format.length);
    return formatTime(new Date(), format);
  });
  return environment;
}

/** An error's message as one line, and not a long one: templates word their own. */
function oneLine(error: unknown): string {
  const message = String((error as Error).message)
    .slice(0, 1000)
    .replace(/\s+/g, ' ');
  return message.length > 300 ? `${message.slice(0, 300)} …` : message;
}

const names = {
  longMonth: new Intl.DateTimeFormat('en-US', { month: 'long' }),
  shortMonth: new Intl.DateTimeFormat('en-US', { month: 'short' }),
  longDay: new Intl.DateTimeFormat('en-US', { weekday: 'long' }),
  shortDay: new Intl.DateTimeFormat('en-US', { weekday: 'short' }),
};

/** Python's `strftime` in the C locale, local time, for the directives that templates use; others stay as they stand. */
export function formatTime(time: Date, format: string): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const name = (field: keyof typeof names): string => names[field].format(time);
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
        return name('longMonth');
      case 'b':
        return name('shortMonth');
      case 'A':
        return name('longDay');
      case 'a':
        return name('shortDay');
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
