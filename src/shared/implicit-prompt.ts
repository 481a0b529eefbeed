import type { Message, Text } from './preferences.ts';

/** A preference pair whose prompt stands apart. */
export interface SplitPair {
  readonly prompt: Text;
  readonly chosen: Text;
  readonly rejected: Text;
}

/**
 * Splits the shared beginning off two texts or two conversations, as TRL's `extract_prompt` does (trl/data_utils.py, 1.16):
 * the prompt ends where they first differ (in code points, or in messages), one earlier if a space stands there; if one
 * is the beginning of the other, its last code point or message still goes to the answers.
 *
 * One departure: where two texts differ from their first character on and `chosen` ends with a space, TRL's index wraps
 * round and leaves each answer its last character only. Here, as for any other two such texts, the prompt is empty.
 */
export function splitImplicitPrompt(chosen: Text, rejected: Text): SplitPair {
  if (typeof chosen === 'string' && typeof rejected === 'string') {
    const cut = textCut(chosen, rejected);
    return { prompt: chosen.slice(0, cut), chosen: chosen.slice(cut), rejected: rejected.slice(cut) };
  }
  if (typeof chosen === 'string' || typeof rejected === 'string') {
    throw new TypeError('chosen and rejected must both be text or both be conversations');
  }
  let cut = 0;
  const last = Math.min(chosen.length, rejected.length) - 1;
  while (cut < last && sameMessage(chosen[cut]!, rejected[cut]!)) cut += 1;
  return { prompt: chosen.slice(0, cut), chosen: chosen.slice(cut), rejected: rejected.slice(cut) };
}

/** Where the answers start, in UTF-16 units, never within a code point. */
function textCut(chosen: string, rejected: string): number {
  const shorter = Math.min(chosen.length, rejected.length);
  let cut = 0;
  let previous = 0;
  while (cut < shorter) {
    const codePoint = chosen.codePointAt(cut)!;
    if (codePoint !== rejected.codePointAt(cut)) {
      return cut > 0 && chosen[cut - 1] === ' ' ? cut - 1 : cut;
    }
    previous = cut;
    cut += codePoint > 0xffff ? 2 : 1;
  }
  return previous;
}

/** Whether two messages have the same role and content. */
export function sameMessage(a: Message, b: Message): boolean {
  return a.role === b.role && a.content === b.content;
}
