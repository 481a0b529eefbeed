import type { TokenSequence, TokenView } from '../../shared/contract.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { tokenizeCompletions, tokenizePreferences } from '../engine/tokens/pairs.ts';
import type { Tokenizer } from '../engine/tokens/tokenizer.ts';

/**
 * What a model sees of a row, token by token: for each answer the prompt, which is only read, the answer, which counts in
 * the loss, and what the maximum length cuts off.
 * @throws InputError where a conversation cannot be rendered
 */
export function viewTokens(row: DataRow, tokenizer: Tokenizer, maxLength: number): TokenView {
  const whole = answersOf(row, tokenizer, Infinity);
  const kept = answersOf(row, tokenizer, maxLength);
  const source = kept.prompt === undefined ? whole : kept;
  const sequences = Object.entries(whole.answers).map(([name, answer]): TokenSequence => {
    const prompt = [...(source.prompt ?? [])];
    const ids = [...prompt, ...answer];
    const texts = tokenTexts(ids, tokenizer);
    const role = (place: number) =>
      place >= maxLength ? 'cut' : place < prompt.length || kept.prompt === undefined ? 'context' : 'trained';
    return { name, tokens: ids.map((id, place) => ({ id, text: texts[place]!, role: role(place) })) };
  });
  return {
    maxLength,
    ...(kept.skipped === undefined ? {} : { skipped: kept.skipped }),
    ...(whole.shifted === undefined ? {} : { shifted: whole.shifted }),
    sequences,
  };
}

interface Tokenized {
  readonly prompt?: Int32Array;
  readonly answers: Readonly<Record<string, Int32Array>>;
  readonly skipped?: string | undefined;
  readonly shifted?: string | undefined;
}

function answersOf(row: DataRow, tokenizer: Tokenizer, maxLength: number): Tokenized {
  if (row.kind === 'completion') {
    const { completions, skipped, shifted } = tokenizeCompletions([row], tokenizer, { maxLength });
    const [found] = completions;
    if (!found) return { answers: {}, skipped: skipped[0]?.reason };
    return {
      prompt: found.prompt,
      answers: { completion: found.completion },
      shifted: shifted[0]?.text,
    };
  }
  const { pairs, skipped, shifted } = tokenizePreferences([row], tokenizer, { maxLength });
  const [found] = pairs;
  if (!found) return { answers: {}, skipped: skipped[0]?.reason };
  const { prompt, chosen, rejected } = found;
  return { prompt, answers: { chosen, rejected }, shifted: shifted[0]?.text };
}

/** Each token's own text: what it adds to the one before, since decoders drop a text's first space. */
function tokenTexts(ids: readonly number[], tokenizer: Tokenizer): string[] {
  return ids.map((id, place) => {
    if (place === 0) return tokenizer.decode([id]);
    const before = ids[place - 1]!;
    const [alone, both] = [tokenizer.decode([before]), tokenizer.decode([before, id])];
    // Tokens that only together are a character have no text of their own.
    return (both.startsWith(alone) ? both.slice(alone.length) : '') || tokenizer.decode([id]);
  });
}
