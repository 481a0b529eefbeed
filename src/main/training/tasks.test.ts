import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { extractAnswer, isExactMatch } from './tasks.ts';

describe('extractAnswer', () => {
  // Text and answer, both written by hand.
  it.each([
    ['12+15=27\n#### 27', '27'],
    ['#### 1,234,567', '1234567'],
    ['#### -12', '-12'],
    ['#### −12', '-12'],
    ['#### $18.00', '18'],
    ['#### -$5', '-5'],
    ['#### $-5', '-5'],
    ['#### +7', '7'],
    ['####42.', '42'],
    ['#### 0.50', '0.5'],
    ['#### .5', '0.5'],
    ['#### -0', '0'],
    ['#### 007', '7'],
    ['#### 35%', '35'],
    ['#### **9**', '9'],
    ['#### 123456789012345678901', '123456789012345678901'],
    ['3 cars + 2 cars = 5 cars\nA: 5', '5'],
    ['A: $1,200', '1200'],
    ['a: 8', '8'],
    ['**A:** 4', '4'],
    ['She has 3. Answer: 12 apples, out of 40', '12'],
    ['The answer is 8. Then 9 more', '8'],
    ['so the answer is: $70,000.', '70000'],
    ['The final answer is \\boxed{-3}', '-3'],
    ['thus \\boxed{11}, as 3 shows', '11'],
    ['x + 2 = 6, so the answer is x = 4 of 9', '4'],
    ['He pays 5 and gets 3 back', '3'],
    ['12 - 5 = 7', '7'],
    ['10-3', '3'],
    ['12 - 3', '3'],
    ['She keeps:\n- 4 apples', '4'],
    ['it fell to -4', '-4'],
    ['Total: 1,234.', '1234'],
    ['pages 1,2', '2'],
    ['he ran 2.5 miles.', '2.5'],
    // A model that runs on is judged by its first marked answer.
    ['#### 6\nQ: next? A: 99\n#### 100', '6'],
    ['The answer is 6.\n\nQ: Leo has 3.\nA: 4', '6'],
    // `A:` opens a worked answer here; its number stands at the end.
    ['A: Ana has 3 and gets 4. That makes 7', '7'],
  ])('%j gives %s', (text, answer) => {
    expect(extractAnswer(text)).toBe(answer);
  });

  it.each([[''], ['no idea'], ['####'], ['A: none']])('%j gives no answer', (text) => {
    expect(extractAnswer(text)).toBeUndefined();
  });
});

describe('isExactMatch', () => {
  it.each([
    ['27-4=23\n#### 23', '23', true],
    ['#### 1200', '$1,200', true],
    ['#### 2.50', '2.5', true],
    ['#### 18', 'She sells 9.\n9*2=<<9*2=18>>18\n#### 18', true],
    ['#### 23', '32', false],
    ['#### 123', '23', false],
    ['nothing', '23', false],
    ['', '23', false],
    ['#### yes', 'Yes', true],
    ['no', 'yes', false],
  ])('%j against %j: %s', (generated, answer, right) => {
    expect(isExactMatch(generated, answer)).toBe(right);
  });
});

const gsm8k = new URL('../../../../shared/data/gsm8k-train-2000.jsonl', import.meta.url);
describe('on GSM8K', () => {
  it.skipIf(!existsSync(gsm8k))(
    'reads what the official expression reads (skipped without ../shared)',
    () => {
      const rows = readFileSync(gsm8k, 'utf8').trim().split('\n');
      let read = 0;
      for (const row of rows) {
        for (const text of Object.values(JSON.parse(row) as Record<string, unknown>)) {
          // openai/grade-school-math dataset.py: ANS_RE, then commas removed.
          const official = /#### (-?[0-9.,]+)/.exec(String(text))?.[1]?.replaceAll(',', '');
          if (official === undefined) continue;
          expect(Number(extractAnswer(String(text)))).toBe(Number(official));
          read++;
        }
      }
      expect(read).toBeGreaterThanOrEqual(rows.length);
    },
  );
});
