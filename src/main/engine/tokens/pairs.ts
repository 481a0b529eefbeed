import { createHash } from 'node:crypto';
import type { DataRow, Message, PreferenceRow, Text } from '../../../shared/preferences.ts';
import { rowTexts } from '../../../shared/row-texts.ts';
import { tokenizeChat } from './chat-template.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A preference pair as ids: what the model sees is prompt + chosen and prompt + rejected. */
export interface TokenizedPair {
  /** The row's place in its file. */
  readonly index: number;
  readonly prompt: Int32Array;
  /** Never empty, nor is `rejected`. */
  readonly chosen: Int32Array;
  readonly rejected: Int32Array;
  readonly answer?: string;
}

/** A prompt and its completion as ids; the loss is over the completion only. */
export interface TokenizedCompletion {
  readonly index: number;
  readonly prompt: Int32Array;
  /** Never empty. */
  readonly completion: Int32Array;
  readonly answer?: string;
}

/** A row that cannot be trained on. */
export interface SkippedRow {
  readonly index: number;
  readonly reason: string;
}

/** A row whose answers lost tokens at their end; counts of tokens lost, by field. */
export interface TruncatedRow {
  readonly index: number;
  readonly lost: Readonly<Record<string, number>>;
}

/** A row where prompt and answer merge: the prompt's last tokens, as tokenised alone, are not what the model is trained on. */
export interface BoundaryShift {
  readonly index: number;
  /** How many of the prompt's own tokens are left out. */
  readonly tokens: number;
  /** Their text. */
  readonly text: string;
}

/** What happened to the rows that did not simply pass. */
export interface TokenizingNotes {
  readonly skipped: readonly SkippedRow[];
  readonly truncated: readonly TruncatedRow[];
  readonly shifted: readonly BoundaryShift[];
}

export interface TokenizedData extends TokenizingNotes {
  readonly pairs: readonly TokenizedPair[];
}

export interface TokenizedCompletions extends TokenizingNotes {
  readonly completions: readonly TokenizedCompletion[];
}

export interface TokenizingOptions {
  /** Most tokens of prompt and answer together; longer answers lose their end (TRL's `keep_start`). No limit if absent. */
  readonly maxLength?: number;
}

/**
 * Tokenises preference pairs as TRL 1.16's DPOTrainer does (`_prepare_dataset` and `DataCollatorForPreference`): prompts
 * that stand in both texts are split off, text answers end with the end-of-sequence token (added if absent), and the
 * prompt's ids are those that it shares, alone, with prompt + chosen and with prompt + rejected.
 *
 * Skipped, beyond TRL's rows whose prompt fills `maxLength`: rows left with no token that a loss could score.
 *
 * @throws InputError where a conversation cannot be rendered.
 */
export function tokenizePreferences(
  rows: readonly PreferenceRow[],
  tokenizer: Tokenizer,
  options: TokenizingOptions = {},
): TokenizedData {
  const pairs: TokenizedPair[] = [];
  const notes = tokenizeRows(
    rows,
    tokenizer,
    options,
    (row) => {
      const { prompt, chosen, rejected } = rowTexts(row);
      return { prompt, answers: { chosen, rejected: rejected! } };
    },
    (row, prompt, { chosen, rejected }) => {
      pairs.push({ index: row.index, prompt, chosen: chosen!, rejected: rejected!, ...answerOf(row) });
    },
  );
  return { pairs, ...notes };
}

/**
 * Tokenises prompts with one completion as TRL 1.16's SFTTrainer does for prompt-completion data with its loss on the
 * completion only. Of a preference row, the chosen answer is the completion.
 *
 * @throws InputError where a conversation cannot be rendered.
 */
export function tokenizeCompletions(
  rows: readonly DataRow[],
  tokenizer: Tokenizer,
  options: TokenizingOptions = {},
): TokenizedCompletions {
  const completions: TokenizedCompletion[] = [];
  const notes = tokenizeRows(
    rows,
    tokenizer,
    options,
    (row) => {
      const { prompt, chosen } = rowTexts(row);
      return { prompt, answers: { completion: chosen } };
    },
    (row, prompt, { completion }) => {
      completions.push({ index: row.index, prompt, completion: completion!, ...answerOf(row) });
    },
  );
  return { completions, ...notes };
}

/** A row's prompt as ids, ready for an answer to be generated: the whole prompt, whatever an answer would merge with it. */
export function tokenizePrompt(row: DataRow, tokenizer: Tokenizer): number[] {
  return promptIds(rowTexts(row).prompt, tokenizer);
}

/**
 * SHA-256 (hexadecimal) of a pair's ids and of nothing else, so that equal pairs share a hash across files and runs.
 */
export function pairHash(pair: Pick<TokenizedPair, 'prompt' | 'chosen' | 'rejected'>): string {
  const parts = [pair.prompt, pair.chosen, pair.rejected];
  const words = [...parts.map(({ length }) => length), ...parts.flatMap((ids) => Array.from(ids))];
  const bytes = Buffer.alloc(4 * words.length);
  words.forEach((word, at) => bytes.writeInt32LE(word, 4 * at));
  return createHash('sha256').update(bytes).digest('hex');
}

interface Parts {
  readonly prompt: Text;
  readonly answers: Readonly<Record<string, Text>>;
}

function tokenizeRows<Row extends DataRow>(
  rows: readonly Row[],
  tokenizer: Tokenizer,
  { maxLength = Infinity }: TokenizingOptions,
  partsOf: (row: Row) => Parts,
  keep: (row: Row, prompt: Int32Array, answers: Record<string, Int32Array>) => void,
): TokenizingNotes {
  const skipped: SkippedRow[] = [];
  const truncated: TruncatedRow[] = [];
  const shifted: BoundaryShift[] = [];
  for (const row of rows) {
    const { index } = row;
    const { prompt, answers } = partsOf(row);
    const alone = promptIds(prompt, tokenizer);
    const whole = Object.entries(answers).map(([name, answer]) => ({
      name,
      ids: wholeIds(prompt, answer, tokenizer),
    }));
    const promptLength = Math.min(...whole.map(({ ids }) => commonPrefixLength(alone, ids)));
    if (promptLength >= maxLength) {
      skipped.push({
        index,
        reason: `the prompt has ${promptLength} tokens and fills the maximum length ${maxLength}`,
      });
      continue;
    }
    const kept: Record<string, Int32Array> = {};
    const lost: Record<string, number> = {};
    let unscored: string | undefined;
    for (const { name, ids } of whole) {
      kept[name] = Int32Array.from(ids.slice(promptLength, maxLength));
      if (ids.length > maxLength) lost[name] = ids.length - maxLength;
      // The first token of a sequence has nothing before it that could predict it.
      if (kept[name].length === 0 || promptLength + kept[name].length < 2) unscored ??= name;
    }
    if (unscored !== undefined) {
      skipped.push({ index, reason: `${unscored} has no token to score` });
      continue;
    }
    if (Object.keys(lost).length > 0) truncated.push({ index, lost });
    if (promptLength < alone.length) {
      const text = tokenizer.decode(alone.slice(promptLength));
      shifted.push({ index, tokens: alone.length - promptLength, text });
    }
    keep(row, Int32Array.from(alone.slice(0, promptLength)), kept);
  }
  return { skipped, truncated, shifted };
}

function promptIds(prompt: Text, tokenizer: Tokenizer): number[] {
  return typeof prompt === 'string'
    ? tokenizer.encode(prompt)
    : tokenizeChat(tokenizer, prompt, { addGenerationPrompt: true });
}

function wholeIds(prompt: Text, answer: Text, tokenizer: Tokenizer): number[] {
  if (typeof prompt === 'string' && typeof answer === 'string') {
    const ending = answer.endsWith(tokenizer.eosToken) ? '' : tokenizer.eosToken;
    return tokenizer.encode(prompt + answer + ending);
  }
  return tokenizeChat(tokenizer, [...(prompt as readonly Message[]), ...(answer as readonly Message[])]);
}

function commonPrefixLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}

function answerOf(row: DataRow): { answer?: string } {
  return row.answer === undefined ? {} : { answer: row.answer };
}
