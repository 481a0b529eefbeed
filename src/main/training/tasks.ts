/**
 * Task accuracy: the answer is read out of generated text and compared with the right one.
 * Forms read, in this order: GSM8K's `#### 42`; `A: 42`, `Answer: 42`, `the answer is 42`, `\boxed{42}`; the last
 * number. Of several marked answers the first counts, as in GSM8K's own script (openai/grade-school-math
 * `dataset.py`) and lm-evaluation-harness' `strict-match`: a model that runs on into a next question must not be
 * judged by that one. The last number is lm-evaluation-harness' `flexible-extract`.
 */

// A sign counts only where nothing it could be subtracted from stands before it: `10-3` holds 10 and 3, not -3;
// and only where it touches the number: `- 3` is a list's bullet or a subtraction.
const sign = String.raw`(?:(?<![\p{L}\p{N})\]%.])[-−+])?`;
const digits = String.raw`(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+`;
const number = String.raw`${sign}(?:[$€£]\s?)?${sign}(?:${digits})`;
// What may stand between a marker and its number: space, emphasis, an opening bracket, a currency, "=" of `x = 42`.
const opening = String.raw`[\s*_\x60(\[{$\\]*(?:\p{L}\s*=\s*)?`;

const hashMark = new RegExp(String.raw`####${opening}(${number})`, 'u');
const wordMark = new RegExp(
  String.raw`(?:\banswer\s*(?:is|=|:)\s*:?|^\s*\**A\**:|\bA:|\\boxed(?=\{))${opening}(${number})`,
  'imu',
);
const anyNumber = new RegExp(number, 'gu');

/**
 * The answer a text gives, as a canonical number (`1,234.50` → `1234.5`, `$-7` → `-7`, `042` → `42`), or undefined
 * where the text holds no number. Fractions are not computed.
 */
export function extractAnswer(text: string): string | undefined {
  const marked = hashMark.exec(text)?.[1] ?? wordMark.exec(text)?.[1];
  const found = marked ?? text.match(anyNumber)?.at(-1);
  return found === undefined ? undefined : canonicalNumber(found);
}

/** String arithmetic, not `Number`, so that long integers stay exact. */
function canonicalNumber(text: string): string {
  const negative = /[-−]/u.test(text);
  const [whole = '', fraction = ''] = text.replace(/[^\d.]/gu, '').split('.');
  const wholePart = whole.replace(/^0+/u, '') || '0';
  const fractionPart = fraction.replace(/0+$/u, '');
  const value = fractionPart === '' ? wholePart : `${wholePart}.${fractionPart}`;
  return negative && value !== '0' ? `-${value}` : value;
}

/**
 * Whether `generated` gives the right answer. `answer` is the right number in any of the forms above, a whole
 * GSM8K solution included. A right answer without any number is compared as text: case and outer space apart.
 */
export function isExactMatch(generated: string, answer: string): boolean {
  const right = extractAnswer(answer);
  if (right !== undefined) return extractAnswer(generated) === right;
  const given = generated.split('####').at(-1)!;
  return given.trim().toLowerCase() === answer.trim().toLowerCase();
}
