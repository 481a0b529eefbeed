import type { CallOptions, Services } from '../../../shared/contract.ts';
import type { OptionTable, OptionValues } from './option.ts';

/** What a command may use while it runs. */
export interface CommandContext {
  /** Opens the services at the first call: help and wrong arguments load nothing native. */
  readonly services: () => Promise<Services>;
  /** The program's folder; made at the first call. */
  readonly home: () => string;
  readonly threads: number | undefined;
  /** Results are printed as one JSON document; a command then writes nothing to stdout by itself. */
  readonly json: boolean;
  readonly quiet: boolean;
  readonly call: Required<CallOptions>;
  /** Prints a result before the command has come to its end: with --json as a document, else as `text`. */
  readonly tell: (result: object, text: string) => void;
  /** Writes to stdout as it is. */
  readonly write: (text: string) => void;
  /** Writes a line to stderr that is no error; nothing with --quiet. */
  readonly note: (line: string) => void;
}

export interface Positional {
  /** As help shows it, e.g. `folder|file.gguf`. */
  readonly name: string;
  readonly help: string;
}

/** A command as the table in `commands/index.ts` holds it. */
export interface Command {
  /** One word, or a group's word and one more. */
  readonly name: string;
  readonly summary: string;
  /** Paragraphs under the summary in the command's own help. */
  readonly details: readonly string[];
  readonly positionals: readonly Positional[];
  readonly options: OptionTable;
  readonly examples: readonly string[];
  /** What is said at the first Ctrl-C; absent: that it stops after the step under way. */
  readonly stopping?: string;
  /**
   * Runs on parsed values and returns the result: for --json as it is, for people as `text` says. Where the command has
   * told all by itself (`CommandContext.tell`) it says so.
   */
  readonly run: (context: CommandContext, parsed: ParsedArguments) => Promise<Outcome>;
}
export interface ParsedArguments {
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
}
export interface Outcome {
  /** Absent: it was told before. */
  readonly result: object | undefined;
  /** For people; without a last line break. Empty where the command has written by itself. */
  readonly text: string;
  /** The exit code is to say that something is wrong, although the command did its work. */
  readonly failed: boolean;
}

interface TypedCommand<Table extends OptionTable, Result extends object | undefined> extends Omit<
  Command,
  'run' | 'options'
> {
  readonly options: Table;
  readonly run: (
    context: CommandContext,
    parsed: { readonly positionals: readonly string[]; readonly options: OptionValues<Table> },
  ) => Promise<Result>;
  readonly render: (result: Result) => string;
  /** Whether the exit code is to be 1 for this result; absent: it never is. */
  readonly failed?: (result: Result) => boolean;
}

/** Ties a command's options, run and render together by type, and forgets the types for the table. */
export function defineCommand<Table extends OptionTable, Result extends object | undefined>(
  command: TypedCommand<Table, Result>,
): Command {
  const { render, run, failed, ...described } = command;
  return {
    ...described,
    run: async (context, parsed) => {
      const result = await run(context, {
        positionals: parsed.positionals,
        // Safe: the parser fills exactly the table's names with what each option's parse returned.
        options: parsed.options as OptionValues<Table>,
      });
      return { result, text: render(result), failed: failed?.(result) ?? false };
    },
  };
}
