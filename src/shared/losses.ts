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
  /** What it has beside β, by name; absent: nothing. */
  readonly parameters?: Readonly<Record<string, LossParameter>>;
}

/** A number of one loss's own. */
export interface LossParameter {
  /** As formulas write it. */
  readonly symbol: string;
  readonly explanation: string;
  readonly default: number;
  readonly least: number;
  readonly most: number;
  /** Whether `most` itself is allowed; true if absent. */
  readonly mostIncluded?: boolean;
}

/** Share of the labels that is taken to be wrong; at one half they say nothing. */
const epsilon = {
  symbol: 'ε',
  explanation: 'share of the pairs whose labels are taken to be swapped',
  default: 0.1,
  least: 0,
  most: 0.5,
  mostIncluded: false,
} as const satisfies LossParameter;

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
  'kappa-dpo': {
    label: 'κ-DPO',
    formula: '-log sigmoid(beta * (c - (max(0, r) + kappa * min(0, r))))',
    explanation:
      'between DPO (kappa 1) and MinorDPO (kappa 0): below r = 0 the rejected answer is pushed down kappa times as hard',
    source: 'the continuum between DPO and MinorDPO',
    defaultBeta: 0.1,
    usesBeta: true,
    needsReference: true,
    needsRejected: true,
    parameters: {
      kappa: {
        symbol: 'κ',
        explanation: 'how hard the rejected answer is still pushed where r < 0: 0 is MinorDPO, 1 is DPO',
        default: 0.5,
        least: 0,
        most: 1,
      },
    },
  },
  dpop: {
    label: 'DPOP',
    formula: '-log sigmoid(beta * (c - r - lambda * max(0, -c)))',
    explanation: 'DPO with a penalty as soon as the chosen answer is less likely than under the reference',
    source: 'Pal et al. 2024 (Smaug), arXiv 2402.13228',
    defaultBeta: 0.1,
    usesBeta: true,
    needsReference: true,
    needsRejected: true,
    parameters: {
      lambda: {
        symbol: 'λ',
        explanation: 'weight of the penalty on a chosen answer that becomes less likely',
        default: 50,
        least: 0,
        most: 1e4,
      },
    },
  },
  ipo: {
    label: 'IPO',
    formula: '(c / |chosen| - r / |rejected| - 1 / (2 * beta))^2',
    explanation: 'draws the gap per token to 1 / (2 beta), from above as well, so that it has an end',
    source: 'Azar et al. 2023, arXiv 2310.12036; averaged over tokens as in TRL',
    defaultBeta: 0.1,
    usesBeta: true,
    needsReference: true,
    needsRejected: true,
  },
  hinge: {
    label: 'Hinge',
    formula: 'max(0, 1 - beta * (c - r))',
    explanation: 'as DPO, but a pair whose margin c - r has reached 1 / beta is left alone',
    source: 'Zhao et al. 2023 (SLiC-HF), arXiv 2305.10425',
    defaultBeta: 0.1,
    usesBeta: true,
    needsReference: true,
    needsRejected: true,
  },
  cdpo: {
    label: 'cDPO',
    formula: '-(1 - epsilon) * log sigmoid(beta * (c - r)) - epsilon * log sigmoid(-beta * (c - r))',
    explanation: 'DPO that takes a share epsilon of the labels to be wrong, which gives the margin an end',
    source: 'Mitchell 2023, "A note on DPO with noisy preferences"',
    defaultBeta: 0.1,
    usesBeta: true,
    needsReference: true,
    needsRejected: true,
    parameters: { epsilon },
  },
  robust: {
    label: 'Robust DPO',
    formula:
      '(-(1 - epsilon) * log sigmoid(beta * (c - r)) + epsilon * log sigmoid(-beta * (c - r))) / (1 - 2 * epsilon)',
    explanation: 'DPO made right on average where a share epsilon of the labels is swapped; may be negative',
    source: 'Chowdhury et al. 2024, arXiv 2403.00409',
    defaultBeta: 0.1,
    usesBeta: true,
    needsReference: true,
    needsRejected: true,
    parameters: { epsilon },
  },
  simpo: {
    label: 'SimPO',
    formula: '-log sigmoid(beta * (log p(chosen) / |chosen| - log p(rejected) / |rejected|) - gamma)',
    explanation: 'compares log-probs per token with each other instead of with a reference',
    source: 'Meng et al. 2024, arXiv 2405.14734',
    defaultBeta: 2,
    usesBeta: true,
    needsReference: false,
    needsRejected: true,
    parameters: {
      gamma: {
        symbol: 'γ',
        explanation: 'margin that the scaled log-prob per token of chosen has to lead by',
        default: 1,
        least: 0,
        most: 1e3,
      },
    },
  },
  orpo: {
    label: 'ORPO',
    formula:
      '-log p(chosen) / |chosen| - lambda * log sigmoid(o(chosen) - o(rejected)), o: log-odds of the probability per token',
    explanation: 'fine-tunes on the chosen answer and lowers the odds of the rejected one; no reference',
    source: 'Hong et al. 2024, arXiv 2403.07691',
    defaultBeta: 0.1,
    usesBeta: false,
    needsReference: false,
    needsRejected: true,
    parameters: {
      lambda: {
        symbol: 'λ',
        explanation: 'weight of the odds of chosen against rejected beside the likelihood of chosen',
        default: 0.1,
        least: 0,
        most: 1e3,
      },
    },
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
  'minor-sft': {
    label: 'MinorSFT',
    formula: '-2 / (beta * |chosen|) * log sigmoid(beta * c)',
    explanation:
      'SFT on the chosen answer that fades as the model moves away from the reference; its level means nothing',
    source: 'after Xie et al. 2024, arXiv 2408.10642, from its gradient',
    defaultBeta: 0.1,
    usesBeta: true,
    needsReference: true,
    needsRejected: false,
  },
} as const satisfies Readonly<Record<string, LossDescription>>;

export type LossName = keyof typeof losses;

export const lossNames = Object.keys(losses) as [LossName, ...LossName[]];

/** The description of a loss, with the general type. */
export function describeLoss(name: LossName): LossDescription {
  return losses[name];
}

/** Values of a loss's own parameters where nothing else is said; empty where it has none. */
export function defaultParameters(name: LossName): Record<string, number> {
  const { parameters = {} } = describeLoss(name);
  return Object.fromEntries(Object.entries(parameters).map(([own, { default: value }]) => [own, value]));
}

/** The loss of an arm (shared/arms.ts): what stands before its parameters. */
export function lossOf(arm: string): string {
  return arm.split(':', 1)[0]!;
}

/**
 * Whether β changes what an arm learns, by its name; so it is taken to be for a loss that this version does not know.
 */
export function usesBeta(arm: string): boolean {
  const name = lossOf(arm);
  return !Object.hasOwn(losses, name) || describeLoss(name as LossName).usesBeta;
}

/** An arm for people to read: `DPO`, `κ-DPO κ = 0.25`. What is no arm, as `base`, stays as it is. */
export function armLabel(name: string): string {
  const [loss = '', ...parts] = name.split(':');
  if (!isLossName(loss)) return name;
  const { label, parameters = {} } = describeLoss(loss);
  const values = parts.map((part) => {
    const [parameter = '', value = ''] = part.split('=');
    return `${parameters[parameter]?.symbol ?? parameter} = ${value}`;
  });
  return [label, values.join(', ')].filter((part) => part !== '').join(' ');
}

const isLossName = (name: string): name is LossName => lossNames.some((each) => each === name);
