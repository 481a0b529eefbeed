import type { Evaluation } from './comparison.ts';

/** A measure of one model that is compared between arms. */
export interface Measure {
  readonly name:
    | 'task'
    | 'preference'
    | 'c'
    | 'r'
    | 'margin'
    | 'kl'
    | 'length'
    | 'cut'
    | 'repetition'
    | 'repeating'
    | 'lengthCorrelation'
    | 'shorterChosen'
    | 'longerChosen';
  readonly label: string;
  /** What it is of; each group has a table of its own. */
  readonly group: 'held-out' | 'answers' | 'length';
  /** Shares are shown in percent and their differences in points; nats are per answer, but per token for the KL. */
  readonly unit: 'share' | 'nats' | 'nats/token' | 'tokens' | 'number';
  /** A distance: charts of it begin at 0, below which nothing can be. */
  readonly fromZero?: true;
  /** The value of one evaluation; undefined where it was not measured or is not finite. */
  readonly of: (evaluation: Evaluation) => number | undefined;
  /** The smallest step this measure can move by on this evaluation; 0 for a continuous one. */
  readonly resolution: (evaluation: Evaluation) => number;
}

/** What a value of each unit is called behind it. */
export const unitWords: Readonly<Record<Measure['unit'], string>> = {
  share: '%',
  nats: 'nats',
  'nats/token': 'nats per token',
  tokens: 'tokens',
  number: '',
};

const finite = (value: number | null | undefined): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

export const measures: readonly Measure[] = [
  {
    name: 'task',
    label: 'task accuracy',
    group: 'held-out',
    unit: 'share',
    of: ({ task }) => task && finite(task.correct / task.questions),
    resolution: ({ task }) => (task ? 1 / task.questions : 0),
  },
  {
    name: 'preference',
    label: 'held-out preference accuracy',
    group: 'held-out',
    unit: 'share',
    of: ({ preferenceAccuracy }) => finite(preferenceAccuracy),
    resolution: ({ pairs }) => 1 / pairs,
  },
  {
    name: 'c',
    label: 'chosen log-ratio c',
    group: 'held-out',
    unit: 'nats',
    of: ({ meanChosenLogRatio }) => finite(meanChosenLogRatio),
    resolution: () => 0,
  },
  {
    name: 'r',
    label: 'rejected log-ratio r',
    group: 'held-out',
    unit: 'nats',
    of: ({ meanRejectedLogRatio }) => finite(meanRejectedLogRatio),
    resolution: () => 0,
  },
  {
    name: 'margin',
    label: 'raw margin c − r',
    group: 'held-out',
    unit: 'nats',
    of: ({ meanMargin }) => finite(meanMargin),
    resolution: () => 0,
  },
  {
    name: 'kl',
    label: 'KL to the reference',
    group: 'answers',
    unit: 'nats/token',
    fromZero: true,
    of: ({ klToReference }) => finite(klToReference?.perToken),
    resolution: () => 0,
  },
  {
    name: 'length',
    label: 'length of answers',
    group: 'answers',
    unit: 'tokens',
    of: ({ generation }) => finite(generation?.meanTokens),
    resolution: ({ generation }) => (generation ? 1 / generation.answers : 0),
  },
  {
    name: 'cut',
    label: 'answers cut at the longest',
    group: 'answers',
    unit: 'share',
    of: ({ generation }) => finite(generation?.cutShare),
    resolution: ({ generation }) => (generation ? 1 / generation.answers : 0),
  },
  {
    name: 'repetition',
    label: 'repetition within answers',
    group: 'answers',
    unit: 'share',
    of: ({ generation }) => finite(generation?.meanRepetition),
    resolution: () => 0,
  },
  {
    name: 'repeating',
    label: 'answers that repeat themselves',
    group: 'answers',
    unit: 'share',
    of: ({ generation }) => finite(generation?.repeatingShare),
    resolution: ({ generation }) => (generation ? 1 / generation.answers : 0),
  },
  {
    name: 'lengthCorrelation',
    label: 'correlation of c − r with the difference in length',
    group: 'length',
    unit: 'number',
    of: ({ lengthBias }) => finite(lengthBias?.correlation),
    resolution: () => 0,
  },
  {
    name: 'shorterChosen',
    label: 'preference accuracy where chosen is shorter',
    group: 'length',
    unit: 'share',
    of: ({ lengthBias }) => finite(lengthBias?.shorter.accuracy),
    resolution: ({ lengthBias }) => (lengthBias ? 1 / Math.max(1, lengthBias.shorter.pairs) : 0),
  },
  {
    name: 'longerChosen',
    label: 'preference accuracy where chosen is longer',
    group: 'length',
    unit: 'share',
    of: ({ lengthBias }) => finite(lengthBias?.longer.accuracy),
    resolution: ({ lengthBias }) => (lengthBias ? 1 / Math.max(1, lengthBias.longer.pairs) : 0),
  },
];
