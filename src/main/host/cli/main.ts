import manifest from '../../../../package.json' with { type: 'json' };
import { InputError, UsageError } from '../../../shared/errors.ts';
import { resolveHome } from '../../service/home.ts';
import type { Services, ServicesFactory } from '../../../shared/contract.ts';
import { commandNameOf, parseArguments } from './arguments.ts';
import type { Invocation } from './arguments.ts';
import type { Command, CommandContext, Outcome } from './command.ts';
import { commands } from './commands/index.ts';
import { commandHelp, programHelp } from './help.ts';
import { listenForInterrupts, stopsAfterStep } from './interrupt.ts';
import type { InterruptSource } from './interrupt.ts';
import { createProgressView } from './progress.ts';
import { loadServices } from './services.ts';

/** Version of the JSON documents' form; it grows when a field changes its meaning or goes. */
export const jsonSchema = 1;

/** Where the program writes and what it listens to; tests give their own. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly errIsTerminal: boolean;
  readonly columns: () => number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly interrupts: InterruptSource;
  readonly quit: (code: number) => void;
}

function processTerminal(): Terminal {
  // A reader that has seen enough ("| head") is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    errIsTerminal: process.stderr.isTTY === true,
    columns: () => process.stderr.columns ?? 80,
    environment: process.env,
    interrupts: process,
    quit: (code) => process.exit(code),
  };
}

/** True where --json stands among the arguments, also where they cannot be parsed. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end === -1 ? args : args.slice(0, end)).includes('--json');
}

interface Failure {
  readonly code: number;
  readonly line: string;
  readonly message: string;
  readonly file: string | null;
  readonly row: number | null;
}

/** What an error means: its exit code and its one line. */
function describeFailure(error: unknown, signal: AbortSignal, where: string | null): Failure {
  const nowhere = { file: null, row: null };
  if (signal.aborted && (error === signal.reason || (error instanceof Error && error.name === 'AbortError')))
    return { code: 130, line: 'stopped', message: 'stopped', ...nowhere };
  const whole = error instanceof Error ? error.message : String(error);
  const message = whole.split('\n').find((line) => line.trim() !== '') ?? 'unknown error';
  if (error instanceof UsageError) {
    const help = `plumbline ${where === null ? '' : `${where} `}--help`;
    return { code: 2, line: `${message} (see "${help}")`, message, ...nowhere };
  }
  if (error instanceof InputError) {
    const { file = null, row = null } = error.place;
    return { code: 1, line: message, message, file, row };
  }
  return {
    code: 1,
    line: `${message} (unexpected; run again with --debug for the stack)`,
    message,
    ...nowhere,
  };
}

/**
 * Runs one command line to its end.
 * @returns the exit code: 0 done, 1 failed or bad input file, 2 wrong arguments, 130 stopped by Ctrl-C.
 */
export async function main(
  args: readonly string[],
  createServices: ServicesFactory = loadServices,
  terminal: Terminal = processTerminal(),
): Promise<number> {
  const json = asksForJson(args);
  const controller = new AbortController();
  let where = commandNameOf(args, commands);
  try {
    const invocation = parseArguments(args, commands);
    const { command, words, globals } = invocation;
    where = command?.name ?? null;
    if (globals.version) terminal.out(`${manifest.version}\n`);
    else if (globals.help)
      terminal.out(command === undefined ? programHelp(commands, words) : commandHelp(command));
    else if (command === undefined && words === '' && !json) {
      terminal.err(programHelp(commands));
      return 2;
    } else if (command === undefined) {
      const known = commands
        .map(({ name }) => name)
        .filter((name) => words === '' || name.startsWith(`${words} `));
      throw new UsageError(`name a command: ${known.join(', ')}`);
    } else {
      const { failed } = await runCommand(command, invocation, createServices, terminal, controller);
      if (failed && !controller.signal.aborted) return 1;
    }
    return controller.signal.aborted ? 130 : 0;
  } catch (error) {
    const { code, line, message, file, row } = describeFailure(error, controller.signal, where);
    terminal.err(`plumbline: ${line}\n`);
    if (args.includes('--debug') && error instanceof Error) terminal.err(`${error.stack ?? ''}\n`);
    if (json) printJson(terminal, where, { error: { message, file, row } });
    return code;
  }
}

function printJson(terminal: Terminal, command: string | null, content: object): void {
  terminal.out(`${JSON.stringify({ schema: jsonSchema, command, ...content }, null, 2)}\n`);
}

async function runCommand(
  command: Command,
  { globals, parsed }: Invocation,
  createServices: ServicesFactory,
  terminal: Terminal,
  controller: AbortController,
): Promise<Outcome> {
  const progress = createProgressView({
    write: globals.quiet ? () => undefined : terminal.err,
    isTerminal: terminal.errIsTerminal,
    columns: terminal.columns,
    now: () => performance.now(),
  });
  let services: Services | undefined;
  let home: string | undefined;
  const homeFolder = (): string => (home ??= resolveHome(globals.home, terminal.environment));
  const context: CommandContext = {
    services: async () => {
      services ??= await createServices({ home: homeFolder() });
      return services;
    },
    home: homeFolder,
    threads: globals.threads,
    json: globals.json,
    quiet: globals.quiet,
    call: { onProgress: progress.handle, signal: controller.signal },
    tell: (result, text) => {
      if (globals.json) printJson(terminal, command.name, result);
      else terminal.out(`${text}\n`);
    },
    write: globals.json ? () => undefined : terminal.out,
    note: progress.line,
  };
  const stopListening = listenForInterrupts({
    source: terminal.interrupts,
    controller,
    say: () => progress.line(command.stopping ?? stopsAfterStep),
    quit: () => terminal.quit(130),
    now: () => performance.now(),
  });
  try {
    const outcome = await command.run(context, parsed);
    const { result, text } = outcome;
    progress.end();
    if (result === undefined) return outcome;
    if (globals.json) printJson(terminal, command.name, result);
    else if (text !== '') terminal.out(`${text}\n`);
    return outcome;
  } finally {
    progress.end();
    stopListening();
    await services?.close();
  }
}
