/** Precision of the frozen weights. */
export type Weights = 'float32' | '8bit';

/** One kind of work: prompts to be continued greedily. */
export interface Row {
  readonly name: string;
  readonly what: string;
  readonly questions: number;
  /** Sequences side by side; absent: each program's own choice, or its best. */
  readonly batch: number | undefined;
  readonly maxTokens: number;
  /** Whether an answer ends at an end token; otherwise all have `maxTokens` tokens. */
  readonly obeysEnd: boolean;
  /** Policies that answer all prompts, one after another: the base where 0. */
  readonly arms: number;
  /** Of this engine; the other program's are float32. */
  readonly weights: Weights;
}

/** Tokens of an answer in `compare` unless told otherwise. */
const answerTokens = 256;

export const rows: readonly Row[] = [
  {
    name: 'one',
    what: 'one prompt at a time',
    questions: 3,
    batch: 1,
    maxTokens: 128,
    obeysEnd: false,
    arms: 0,
    weights: 'float32',
  },
  {
    name: 'batch',
    what: '16 prompts side by side',
    questions: 16,
    batch: 16,
    maxTokens: 128,
    obeysEnd: false,
    arms: 0,
    weights: 'float32',
  },
  {
    name: 'eight-bit',
    what: 'one prompt at a time, this engine with 8-bit weights',
    questions: 3,
    batch: 1,
    maxTokens: 128,
    obeysEnd: false,
    arms: 0,
    weights: '8bit',
  },
  {
    name: 'evaluation',
    what: 'answers to questions under two adapters, ended by end tokens',
    questions: 32,
    batch: undefined,
    maxTokens: answerTokens,
    obeysEnd: true,
    arms: 2,
    weights: 'float32',
  },
];

/** Batch sizes among which the other program's best is looked for. */
export const batchSizes: readonly number[] = [1, 8, 16, 32];
