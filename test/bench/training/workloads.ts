import { rowTexts } from '../../../src/shared/row-texts.ts';
import type { Message, PreferenceRow, Text } from '../../../src/shared/preferences.ts';

/** Where workloads take their texts from. */
export interface Texts {
  /** Dialogues with short answers. */
  readonly dialogues: readonly PreferenceRow[];
  /** Problems with solutions of some sentences. */
  readonly problems: readonly PreferenceRow[];
  /** Solved problems, none of them among `problems`: at least `shots`. */
  readonly solved: readonly { readonly question: string; readonly answer: string }[];
}

/** Solved problems before each question of the long prompts. */
export const shots = 8;
/** Pairs of one prompt in the shared prompts. */
export const pairsPerPrompt = 4;
/** Tokens from which an answer of the long answers is long enough. */
const longAnswer = 360;

export interface Workload {
  readonly name: string;
  /** For a person. */
  readonly what: string;
  /** Pairs, where nothing else is said. */
  readonly pairs: number;
  /** Most tokens of prompt and answers together; longer pairs are passed over. */
  readonly longest: number;
  /**
   * Rows to take pairs from, in order.
   * @param tokens how many a text has
   */
  rows(texts: Texts, tokens: (text: string) => number): Iterable<PreferenceRow>;
}

/** The number of trained runs and their settings: every loss at every rate with every seed. */
export const gridAxes = {
  /** Ours and TRL's name. */
  losses: [
    ['dpo', 'sigmoid'],
    ['ipo', 'ipo'],
  ],
  learningRates: [5e-6, 5e-5],
  seeds: [0, 1, 2],
} as const;

const short = {
  what: 'dialogues with short answers',
  longest: 512,
  rows: ({ dialogues }: Texts) => dialogues,
};

export const workloads: readonly Workload[] = [
  { name: 'short', pairs: 32, ...short },
  {
    name: 'long-prompt',
    what: `problems behind ${shots} solved ones`,
    pairs: 8,
    longest: 4096,
    *rows({ problems, solved }) {
      for (const row of problems) yield { ...row, prompt: behindShots(rowTexts(row).prompt, solved) };
    },
  },
  {
    name: 'long-answer',
    what: 'problems answered by several solutions one after another',
    pairs: 16,
    longest: 2048,
    *rows({ problems }, tokens) {
      for (const [place, row] of problems.entries()) {
        yield {
          ...row,
          chosen: lengthened(problems, place, 'chosen', tokens),
          rejected: lengthened(problems, place, 'rejected', tokens),
        };
      }
    },
  },
  {
    name: 'shared-prompts',
    what: `dialogues, ${pairsPerPrompt} pairs of answers to each prompt`,
    pairs: 32,
    longest: 512,
    *rows({ dialogues }) {
      let prompt: Text = '';
      for (const [place, row] of dialogues.entries()) {
        const parts = lastTurn(row);
        if (place % pairsPerPrompt === 0) prompt = parts.prompt;
        yield { ...row, ...parts, prompt };
      }
    },
  },
  { name: 'grid', pairs: 64, ...short },
];

/** The solved problems as earlier turns of the conversation, or as text before the question. */
function behindShots(prompt: Text, solved: Texts['solved']): Text {
  const before = solved.slice(0, shots);
  if (typeof prompt === 'string') {
    return before.map(({ question, answer }) => `${question}${answer}\n`).join('') + prompt;
  }
  return [
    ...before.flatMap(({ question, answer }): Message[] => [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ]),
    ...prompt,
  ];
}

/** A row's answer, followed by the answers of the rows after it until it is long enough. */
function lengthened(
  rows: readonly PreferenceRow[],
  place: number,
  side: 'chosen' | 'rejected',
  tokens: (text: string) => number,
): Text {
  let text = '';
  let isMessage = false;
  for (let step = 0; step < rows.length && (step === 0 || tokens(text) < longAnswer); step++) {
    const answer = rowTexts(rows[(place + step) % rows.length]!)[side]!;
    isMessage = typeof answer !== 'string';
    const words = typeof answer === 'string' ? answer : answer.map(({ content }) => content).join('\n');
    text += `${step === 0 ? '' : '\n\n'}${words}`;
  }
  return isMessage ? [{ role: 'assistant', content: text }] : text;
}

/**
 * A dialogue cut before its last answers, wherever those begin to differ, so that other answers fit behind the same
 * tokens.
 */
function lastTurn(row: PreferenceRow): {
  readonly prompt: Text;
  readonly chosen: Text;
  readonly rejected: Text;
} {
  const { prompt, chosen, rejected } = rowTexts(row);
  if (typeof prompt !== 'string' || typeof chosen !== 'string')
    return { prompt, chosen, rejected: rejected! };
  const mark = '\n\nAssistant:';
  const at = prompt.lastIndexOf(mark);
  if (at < 0) return { prompt, chosen, rejected: rejected! };
  const said = prompt.slice(at + mark.length);
  return {
    prompt: prompt.slice(0, at + mark.length),
    chosen: said + chosen,
    rejected: `${said}${rejected as string}`,
  };
}
