/** What a person needs to know of a loss; the engine holds its mathematics (src/main/engine/losses). */
export interface LossDescription {
  /** Name in tables, plots and menus. */
  readonly label: string;
  /** Loss of one pair in plain text; c and r are the log-ratios of chosen and rejected to the reference. */
  readonly formula: string;
  readonly explanation: string;
  readonly source: string;
  readonly defaultBeta: number;
  /** Whether β changes what is learnt. */
  readonly usesBeta: boolean;
  /** Whether log-probs under the reference are needed. */
  readonly needsReference: boolean;
  /** Whether rows need a rejected answer. */
  readonly needsRejected: boolean;
}

/** Every loss, by the name that commands and configs use. Forms, help, report and checks read this list. */
export const losses = {
  dpo: {
    label: 'DPO',
    formula: '-log sigmoid(beta * (c - r))',
    explanation: 'raises chosen against rejected, and keeps pushing the rejected answer down without limit',
    source: 'Rafailov et al. 2023, arXiv 2305.18290',
    defaultBeta: 0.1,
    usesBeta: true,
    needsReference: true,
    needsRejected: true,
  },
  'minor-dpo': {
    label: 'MinorDPO',
    formula: '-log sigmoid(beta * (c - max(0, r)))',
    explanation:
      'pushes the rejected answer down only while the model likes it more than the reference does (r > 0)',
    source: 'Xie et al. 2024, arXiv 2408.09834',
    defaultBeta: 0.1,
    usesBeta: true,
    needsReference: true,
    needsRejected: true,
  },
  sft: {
    label: 'SFT',
    formula: '-mean of log p over all chosen tokens of the batch',
    explanation: 'learns the chosen answer or completion; rejected answers are not looked at',
    source: 'maximum likelihood',
    defaultBeta: 0.1,
    usesBeta: false,
    needsReference: false,
    needsRejected: false,
  },
} as const satisfies Readonly<Record<string, LossDescription>>;

export type LossName = keyof typeof losses;

export const lossNames = Object.keys(losses) as [LossName, ...LossName[]];

/** The description of a loss, with the general type. */
export function describeLoss(name: LossName): LossDescription {
  return losses[name];
}

/** Whether β changes what a loss learns; so it is taken to be for a loss that this version does not know. */
export function usesBeta(name: string): boolean {
  return !Object.hasOwn(losses, name) || describeLoss(name as LossName).usesBeta;
}
