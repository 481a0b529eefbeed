import type { DataRow } from '../../../shared/preferences.ts';
import { HashIndex, NumberList, textHash } from './hash-index.ts';
import type { Finding } from './row-checks.ts';
import { plainText } from '../../../shared/row-texts.ts';
import type { RowParts } from './row-texts.ts';

/** Shorter answers end without a full stop for many reasons; cut ones are as long as their limit let them be. */
const longAnswer = 200;
/** Where fewer long answers end properly, the file has a style of its own. */
const requiredEnded = 0.8;
/** So many pairs with one refusal, and such a share of one direction, make the other direction suspicious. */
const requiredRefusals = 10;
const requiredDirection = 0.9;

const openEnd = /[\p{L},([{]$/u;
const refusal =
  /^\W*(?:i['’]m (?:very )?sorry\b|i am (?:very )?sorry\b|sorry,|i apologi[sz]e\b|i (?:can(?:no|['’])t|cannot|won['’]t)\b|i(?:['’]m| am) (?:unable|not able)\b|i(?:['’]m| am) (?:just |only )?an ai\b|as an ai\b|as a (?:large )?language model\b)/i;

/**
 * What rows show beside the others of their file, in some 60 bytes a row.
 *
 * - `duplicate`: prompt and both answers stood there before.
 * - `swapped-suspect`: the same pair stood there before the other way round; or exactly one answer is a refusal ("I'm
 *   sorry, but …"), on the side where the file (at least 10 such pairs, 90 % of them) does not have it.
 * - `truncated-completion`: an answer of 200 characters or more ends within a sentence (with a letter, a comma or an
 *   opening bracket) or within a code block, while the pair's other answer ends properly, and so do 80 % of the file's
 *   long answers. An answer that a model was kept from finishing looks so; a style without full stops does not.
 */
export class FileChecks {
  readonly #pairs = new HashIndex();
  readonly #prompts = new HashIndex();
  readonly #refusedChosen = new NumberList();
  readonly #refusedRejected = new NumberList();
  readonly #cutChosen = new NumberList();
  readonly #cutRejected = new NumberList();
  #longAnswers = 0;
  #longEnded = 0;

  get distinctPrompts(): number {
    return this.#prompts.size;
  }

  /** What can be told at once. */
  add(row: DataRow, parts: RowParts): Finding[] {
    this.#prompts.findOrAdd(textHash(JSON.stringify(parts.prompt)), row.index);
    const [chosen, rejected] = parts.answers.map(({ text }) => text);
    const ended = parts.answers.map(({ text }) => this.#endsProperly(plainText(text)));
    const key = (...answers: unknown[]) => textHash(JSON.stringify([parts.prompt, ...answers]));
    const findings: Finding[] = [];
    if (rejected === undefined) {
      const before = this.#pairs.findOrAdd(key(chosen), row.index);
      if (before !== undefined) findings.push(['duplicate', `equal to row ${before}`]);
      return findings;
    }
    if (ended[0] === false && ended[1] === true) this.#cutChosen.push(row.index);
    if (ended[1] === false && ended[0] === true) this.#cutRejected.push(row.index);
    const [refusedChosen, refusedRejected] = [chosen, rejected].map((text) => refusal.test(plainText(text!)));
    if (refusedChosen === true && refusedRejected === false) this.#refusedChosen.push(row.index);
    if (refusedRejected === true && refusedChosen === false) this.#refusedRejected.push(row.index);
    const before = this.#pairs.findOrAdd(key(chosen, rejected), row.index);
    if (before !== undefined) findings.push(['duplicate', `equal to row ${before}`]);
    const reversed = this.#pairs.find(key(rejected, chosen));
    if (reversed !== undefined)
      findings.push(['swapped-suspect', `row ${reversed} has the same answers the other way round`]);
    return findings;
  }

  /** What can be told only when all rows were seen: of which row, and what. */
  *end(): Generator<readonly [row: number, finding: Finding]> {
    if (this.#longEnded >= requiredEnded * this.#longAnswers) {
      const sides = [
        ['chosen', 'rejected', this.#cutChosen],
        ['rejected', 'chosen', this.#cutRejected],
      ] as const;
      for (const [side, other, rows] of sides)
        for (const row of rows.values)
          yield [row, ['truncated-completion', `${side} ends within a sentence, ${other} does not`]];
    }
    const [inChosen, inRejected] = [this.#refusedChosen.values, this.#refusedRejected.values];
    const all = inChosen.length + inRejected.length;
    if (all < requiredRefusals) return;
    const sides = [
      ['chosen', inChosen, inRejected],
      ['rejected', inRejected, inChosen],
    ] as const;
    for (const [side, rows, others] of sides) {
      if (others.length < requiredDirection * all) continue;
      const usual = side === 'chosen' ? 'rejected' : 'chosen';
      for (const row of rows)
        yield [
          row,
          [
            'swapped-suspect',
            `${side} is a refusal and ${usual} is not; in ${others.length} of ${all} such pairs it is the other way`,
          ],
        ];
    }
  }

  /** Undefined for answers too short to tell. */
  #endsProperly(answer: string): boolean | undefined {
    const text = answer.trimEnd();
    const fences = text.split('```').length - 1;
    const proper = !openEnd.test(text.slice(-2)) && fences % 2 === 0;
    if (text.length < longAnswer) return proper ? true : undefined;
    this.#longAnswers += 1;
    if (proper) this.#longEnded += 1;
    return proper;
  }
}
