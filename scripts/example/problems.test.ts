import { describe, expect, it } from 'vitest';
import { calculationOf, makeProblems, parts, type Problem } from './problems.ts';

const counts = { sft: 4000, pairs: 600, eval: 150, test: 200 };
const problems = makeProblems(7, counts);
const all = parts.flatMap((part) => problems[part]);

/** Keys that occur in more than one part. */
function shared(key: (problem: Problem) => string): readonly string[] {
  const home = new Map<string, string>();
  const leaks = new Set<string>();
  for (const part of parts) {
    for (const problem of problems[part]) {
      const first = home.get(key(problem)) ?? part;
      if (first !== part) leaks.add(key(problem));
      home.set(key(problem), first);
    }
  }
  return [...leaks];
}

describe('makeProblems', () => {
  it('fills every part', () => {
    expect(parts.map((part) => problems[part].length)).toEqual(parts.map((part) => counts[part]));
  });

  it('asks no question twice', () => {
    expect(new Set(all.map((problem) => problem.prompt)).size).toBe(all.length);
  });

  it('shares no question, no solution and no calculation between parts', () => {
    expect(shared((problem) => problem.prompt)).toEqual([]);
    expect(shared((problem) => problem.solution)).toEqual([]);
    // Written another way than in the generator: each step's operands sorted as text.
    expect(
      shared(({ steps }) =>
        JSON.stringify(
          steps.map(({ left, operator, right }) =>
            [operator, ...[String(left), String(right)].sort()].join(' '),
          ),
        ),
      ),
    ).toEqual([]);
  });

  it('has every calculation of eval and test once', () => {
    for (const part of ['eval', 'test'] as const) {
      const calculations = new Set(problems[part].map(({ steps }) => calculationOf(steps)));
      expect(calculations.size).toBe(counts[part]);
    }
  });

  it('uses every template in every part', () => {
    const templates = new Set(all.map((problem) => problem.template));
    expect(templates.size).toBe(8);
    for (const part of parts) {
      expect(new Set(problems[part].map((problem) => problem.template))).toEqual(templates);
    }
  });

  it('states in the solution what the question asks', () => {
    for (const { template, prompt, solution, answer } of all) {
      // The answer from the question's own words, by a second derivation.
      const [a = 0, b = 0, c = 0] = prompt.match(/\d+/g)!.map(Number);
      const expected = {
        gain: a + b,
        loss: a - b,
        packs: a * b,
        gainThenLoss: a + b - c,
        packsAndLoose: a * b + c,
        packsThenLoss: a * b - c,
        moreTogether: 2 * a + b,
        timesTogether: a * (1 + b),
      }[template];
      expect(Number(answer)).toBe(expected);
      expect(solution.endsWith(`\n#### ${answer}`)).toBe(true);
      for (const line of solution.split('\n').slice(0, -1)) {
        const [, left = '', operator = '', right = '', result = ''] = /^(\d+)([-+*])(\d+)=(\d+)$/.exec(line)!;
        const value = { '+': +left + +right, '-': +left - +right, '*': +left * +right }[operator];
        expect(+result).toBe(value);
      }
    }
  });

  it('stops after the first step in its share of the fine-tuning texts, never in one-step problems', () => {
    const written = (template: string) => problems.sft.filter((problem) => problem.template === template);
    for (const { steps, solution, written: text } of problems.sft) {
      const [{ left, operator, right, result }] = steps as [Problem['steps'][number]];
      expect([solution, `${left}${operator}${right}=${result}\n#### ${result}`]).toContain(text);
    }
    for (const [template, slips] of [
      ['gain', 0],
      ['loss', 0],
      ['packs', 0],
      ['gainThenLoss', 0.6],
      ['packsThenLoss', 0.6],
      ['packsAndLoose', 0.4],
      ['moreTogether', 0.4],
      ['timesTogether', 0.4],
    ] as const) {
      const texts = written(template);
      const share = texts.filter((problem) => problem.written !== problem.solution).length / texts.length;
      // Four standard deviations of a binomial share.
      expect(Math.abs(share - slips)).toBeLessThanOrEqual(
        4 * Math.sqrt((slips * (1 - slips)) / texts.length),
      );
    }
  });

  it('draws the same from the same seed and other problems from another', () => {
    expect(makeProblems(7, counts)).toEqual(problems);
    const others = new Set(makeProblems(8, counts).test.map((problem) => problem.prompt));
    const again = problems.test.filter((problem) => others.has(problem.prompt));
    expect(again.length).toBeLessThan(counts.test / 2);
  });

  it('says so where a part cannot be filled', () => {
    expect(() => makeProblems(0, { ...counts, test: 50_000 })).toThrow(/too few different problems/);
  });
});
