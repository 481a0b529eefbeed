import { hashText, randomFrom, type Random } from './random.ts';

/** One step of a solution: `left operator right = result`, all whole numbers, result not negative. */
export interface Step {
  readonly left: number;
  readonly operator: '+' | '-' | '*';
  readonly right: number;
  readonly result: number;
}

/** An arithmetic word problem. `prompt` ends in a newline; `solution` follows it directly. */
export interface Problem {
  readonly template: string;
  readonly prompt: string;
  /** The worked steps, one a line, then `#### ` and the answer (GSM8K's form). */
  readonly solution: string;
  /** The solution as the fine-tuning texts have it: of some templates many stop after the first step. */
  readonly written: string;
  /** The answer alone, in decimal digits. */
  readonly answer: string;
  readonly steps: readonly Step[];
}

/**
 * What each part is for. The parts share no question and no calculation: which part a problem belongs to
 * is decided by a hash of its worked steps, so the same numbers in other words stay on the same side.
 */
export const parts = ['sft', 'pairs', 'eval', 'test'] as const;
export type Part = (typeof parts)[number];

/** Of 10 calculations, how many belong to each part. */
const shares: Readonly<Record<Part, number>> = { sft: 6, pairs: 2, eval: 1, test: 1 };

const names = ['Ana', 'Ben', 'Cleo', 'Dan', 'Eva', 'Finn', 'Gus', 'Ida', 'Jon', 'Kim', 'Leo', 'Mia'];
const objects = ['apples', 'books', 'cards', 'coins', 'eggs', 'pens', 'plums', 'shells', 'stamps', 'toys'];
const containers = ['bags', 'boxes', 'jars', 'trays'];

/** What a template may use: two different names, an object, a container and its own numbers. */
interface Words {
  readonly name: string;
  readonly other: string;
  readonly objects: string;
  readonly containers: string;
}

interface Template {
  readonly numbers: (random: Random) => readonly [number, number, number];
  readonly question: (words: Words, a: number, b: number, c: number) => string;
  readonly steps: (a: number, b: number, c: number) => readonly Step[];
  /**
   * Share of fine-tuning texts that give the first step's result as the answer. It leaves the base model a
   * habit that preference pairs can mend: a slip above one half is what it does when it takes the likeliest token.
   */
  readonly slips?: number;
}

function step(left: number, operator: Step['operator'], right: number): Step {
  const result = operator === '+' ? left + right : operator === '-' ? left - right : left * right;
  return { left, operator, right, result };
}

const templates: Readonly<Record<string, Template>> = {
  gain: {
    numbers: (random) => [random.integer(2, 20), random.integer(2, 20), 0],
    question: (w, a, b) =>
      `${w.name} has ${a} ${w.objects}. ${w.other} gives ${w.name} ${b} more. How many ${w.objects} does ${w.name} have now?`,
    steps: (a, b) => [step(a, '+', b)],
  },
  loss: {
    numbers: (random) => {
      const a = random.integer(5, 30);
      return [a, random.integer(2, a - 2), 0];
    },
    question: (w, a, b) =>
      `${w.name} had ${a} ${w.objects} and gave ${b} to ${w.other}. How many ${w.objects} are left?`,
    steps: (a, b) => [step(a, '-', b)],
  },
  packs: {
    numbers: (random) => [random.integer(2, 9), random.integer(2, 12), 0],
    question: (w, a, b) =>
      `${w.name} buys ${a} ${w.containers} with ${b} ${w.objects} in each. How many ${w.objects} is that?`,
    steps: (a, b) => [step(a, '*', b)],
  },
  gainThenLoss: {
    slips: 0.6,
    numbers: (random) => {
      const a = random.integer(2, 15);
      const b = random.integer(2, 15);
      return [a, b, random.integer(2, a + b - 2)];
    },
    question: (w, a, b, c) =>
      `${w.name} has ${a} ${w.objects}, finds ${b} more and gives ${c} to ${w.other}. How many ${w.objects} are left?`,
    steps: (a, b, c) => [step(a, '+', b), step(a + b, '-', c)],
  },
  packsAndLoose: {
    slips: 0.4,
    numbers: (random) => [random.integer(2, 6), random.integer(2, 6), random.integer(2, 15)],
    question: (w, a, b, c) =>
      `${w.name} has ${a} ${w.containers} with ${b} ${w.objects} in each and ${c} loose ${w.objects}. How many in all?`,
    steps: (a, b, c) => [step(a, '*', b), step(a * b, '+', c)],
  },
  packsThenLoss: {
    slips: 0.6,
    numbers: (random) => {
      const a = random.integer(2, 6);
      const b = random.integer(2, 6);
      return [a, b, random.integer(1, a * b - 1)];
    },
    question: (w, a, b, c) =>
      `${w.name} fills ${a} ${w.containers} with ${b} ${w.objects} in each. ${w.other} takes ${c}. How many ${w.objects} are left?`,
    steps: (a, b, c) => [step(a, '*', b), step(a * b, '-', c)],
  },
  moreTogether: {
    slips: 0.4,
    numbers: (random) => [random.integer(2, 15), random.integer(2, 15), 0],
    question: (w, a, b) =>
      `${w.name} has ${a} ${w.objects}. ${w.other} has ${b} more than ${w.name}. How many do they have together?`,
    steps: (a, b) => [step(a, '+', b), step(a, '+', a + b)],
  },
  timesTogether: {
    slips: 0.4,
    numbers: (random) => [random.integer(2, 12), random.integer(2, 6), 0],
    question: (w, a, b) =>
      `${w.name} has ${a} ${w.objects}. ${w.other} has ${b} times as many. How many do they have together?`,
    steps: (a, b) => [step(a, '*', b), step(a, '+', a * b)],
  },
};

/** The steps, one a line, then the answer: `12+15=27\n27-4=23\n#### 23`. */
function solutionOf(steps: readonly Step[]): string {
  const lines = steps.map(({ left, operator, right, result }) => `${left}${operator}${right}=${result}`);
  return `${lines.join('\n')}\n#### ${steps.at(-1)!.result}`;
}

function drawProblem(random: Random): Problem {
  const template = random.pick(Object.keys(templates));
  const { numbers, question, steps: stepsOf, slips = 0 } = templates[template]!;
  const name = random.pick(names);
  const words: Words = {
    name,
    other: random.pick(names.filter((other) => other !== name)),
    objects: random.pick(objects),
    containers: random.pick(containers),
  };
  const [a, b, c] = numbers(random);
  const steps = stepsOf(a, b, c);
  const answer = String(steps.at(-1)!.result);
  const prompt = `${question(words, a, b, c)}\n`;
  const solution = solutionOf(steps);
  const written = random.uniform() < slips ? solutionOf(steps.slice(0, 1)) : solution;
  return { template, prompt, solution, written, answer, steps };
}

/** The steps without the order of what is added or multiplied: `12+15` and `15+12` are one calculation. */
export function calculationOf(steps: readonly Step[]): string {
  return steps
    .map(({ left, operator, right }) => {
      const ordered = operator === '-' || left <= right ? [left, right] : [right, left];
      return ordered.join(operator);
    })
    .join(' ');
}

/** The part a calculation belongs to; the same for every seed, so examples of different seeds don't leak either. */
function partOf(calculation: string): Part {
  const total = parts.reduce((sum, part) => sum + shares[part], 0);
  let slot = hashText(calculation) % total;
  for (const part of parts) {
    if (slot < shares[part]) return part;
    slot -= shares[part];
  }
  throw new RangeError('the shares do not cover the hash');
}

/** After so many draws in a row without a new problem a part counts as exhausted. */
const mostFutileDraws = 20_000;

/**
 * Draws problems from `seed` until every part has its count. No question occurs twice; in `eval` and `test`
 * no calculation does either, so that n problems are n different tasks.
 * @throws RangeError if the templates cannot fill a count.
 */
export function makeProblems(
  seed: number,
  counts: Readonly<Record<Part, number>>,
): Readonly<Record<Part, readonly Problem[]>> {
  const random = randomFrom(seed);
  const made: Record<Part, Problem[]> = { sft: [], pairs: [], eval: [], test: [] };
  const seen = new Set<string>();
  let futile = 0;
  while (parts.some((part) => made[part].length < counts[part])) {
    if (futile++ > mostFutileDraws) throw new RangeError('the templates hold too few different problems');
    const problem = drawProblem(random);
    const calculation = calculationOf(problem.steps);
    const part = partOf(calculation);
    const once = part === 'eval' || part === 'test' ? calculation : problem.prompt;
    if (made[part].length >= counts[part] || seen.has(once)) continue;
    seen.add(once);
    made[part].push(problem);
    futile = 0;
  }
  return made;
}

/** Every word form the templates can produce, so that the tokenizer's vocabulary does not hang on a draw. */
export function vocabularyTexts(): readonly string[] {
  const texts: string[] = [];
  for (const { question, steps } of Object.values(templates)) {
    for (const name of names) {
      for (const thing of objects) {
        for (const container of containers) {
          const other = names.find((candidate) => candidate !== name)!;
          const words = { name, other, objects: thing, containers: container };
          const swapped = { ...words, name: other, other: name };
          texts.push(question(words, 1, 1, 1), question(swapped, 1, 1, 1), solutionOf(steps(1, 1, 1)));
        }
      }
    }
  }
  return texts;
}
