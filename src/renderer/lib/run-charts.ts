import type { RunSummary } from '../../shared/contract.ts';
import { lossOf } from '../../shared/losses.ts';
import { formatBeta, formatLearningRate } from '../../shared/format.ts';
import type { ChartLine } from './chart-lines.ts';

/** A chart of the training metrics of runs. */
export interface RunChart {
  /** In addresses. */
  readonly name: string;
  readonly title: string;
  /** What is drawn of every run, with words for what tells it from the others. */
  readonly metrics: readonly { readonly metric: string; readonly label?: string }[];
  readonly zeroLine?: boolean;
}
type RunWords = Pick<RunSummary, 'id' | 'loss' | 'learningRate' | 'beta' | 'seed'>;

interface Known {
  readonly title: string;
  readonly metrics: readonly (readonly [metric: string, label: string])[];
  readonly zeroLine?: boolean;
}
const known: Readonly<Record<string, Known>> = {
  loss: { title: 'Loss', metrics: [['loss', '']] },
  rewards: {
    title: 'Rewards β·c and β·r',
    metrics: [
      ['rewards/chosen', 'chosen'],
      ['rewards/rejected', 'rejected'],
    ],
    zeroLine: true,
  },
  margins: { title: 'Margin β·(c − r)', metrics: [['rewards/margins', '']], zeroLine: true },
  gate: { title: 'Share of pairs with r > 0 (gate open)', metrics: [['gate/open', '']], zeroLine: true },
  'task/accuracy': { title: 'Task accuracy on the first questions', metrics: [['task/accuracy', '']] },
  kl: { title: 'KL to the reference, nats per token', metrics: [['kl', '']], zeroLine: true },
  accuracies: { title: 'Share of pairs with c > r', metrics: [['rewards/accuracies', '']] },
  grad_norm: { title: 'Gradient norm', metrics: [['grad_norm', '']], zeroLine: true },
  learning_rate: { title: 'Learning rate', metrics: [['learning_rate', '']], zeroLine: true },
};
const apartTitles: Readonly<Record<string, string>> = {
  chosen: 'Reward of chosen, β·c',
  rejected: 'Reward of rejected, β·r',
};
/** Of metrics that have a chart of their own but are not among the usual ones. */
const otherTitles: Readonly<Record<string, string>> = {
  'logps/chosen': 'Log-prob of chosen answers, nats',
  'logps/rejected': 'Log-prob of rejected answers, nats',
  'logits/chosen': 'Mean logit over chosen answers',
  'logits/rejected': 'Mean logit over rejected answers',
  entropy: 'Entropy of the next token, nats',
  mean_token_accuracy: 'Share of tokens that are the likeliest',
  'grad/chosen_share': 'Chosen answer’s share of the gradient',
  'logratio/chosen_per_token': 'c per token of the chosen answer, nats',
  'logratio/rejected_per_token': 'r per token of the rejected answer, nats',
  'score/difference': 'What the loss compares, chosen less rejected',
  'throughput/pairs_per_s': 'Pairs per second',
  'time/step_s': 'Seconds per step',
  'memory/rss': 'Memory of the process, bytes',
};
/** Axes, not curves. */
const measures = new Set(['num_tokens', 'epoch']);

/**
 * Every chart that the metrics of some runs give: the usual ones, then one for each other metric. What was measured on
 * held-out pairs lies over what was measured in training.
 * @param apart chosen and rejected each in a chart of its own, as for several runs
 */
export function runCharts(metrics: readonly string[], apart: boolean): RunChart[] {
  const has = new Set(metrics);
  const charts: RunChart[] = [];
  const add = (name: string, chart: Known): void => {
    const found = chart.metrics.flatMap(([metric, label]) => {
      const held = `eval_${metric}`;
      return [
        ...(has.delete(metric) ? [{ metric, ...(label === '' ? {} : { label }) }] : []),
        ...(has.delete(held)
          ? [{ metric: held, label: label === '' ? 'held out' : `${label}, held out` }]
          : []),
      ];
    });
    if (found.length > 0)
      charts.push({
        name,
        title: chart.title,
        metrics: found,
        ...(chart.zeroLine ? { zeroLine: true } : {}),
      });
  };
  for (const [name, chart] of Object.entries(known)) {
    if (!apart || chart.metrics.length === 1) add(name, chart);
    else
      for (const [metric, label] of chart.metrics)
        add(label, { ...chart, title: apartTitles[label] ?? label, metrics: [[metric, '']] });
  }
  const rest = [...new Set([...has].map((metric) => metric.replace(/^eval_/, '')))];
  for (const metric of rest)
    if (!measures.has(metric)) add(metric, { title: otherTitles[metric] ?? metric, metrics: [[metric, '']] });
  return charts;
}

/** Charts by what an address says; without a word from it the usual ones. */
export function chosenCharts(charts: readonly RunChart[], chosen: string | undefined): RunChart[] {
  const names = new Set(chosen?.split(',') ?? [...Object.keys(known), ...Object.keys(apartTitles)]);
  return charts.filter(({ name }) => names.has(name));
}

/** Lines of some runs in one chart. */
export function linesOf(chart: RunChart, runs: readonly RunWords[]): ChartLine[] {
  const varied = variedWords(runs);
  // Styles go by run, so that a run looks the same in every chart of a screen; within one run by metric.
  const places = new Map<string, number>();
  return runs.flatMap(({ id, loss }, order) => {
    const kind = lossOf(loss);
    const place = places.get(kind) ?? 0;
    places.set(kind, place + 1);
    return chart.metrics.map(({ metric, label }, each) => ({
      key: chart.metrics.length > 1 ? `${id}:${metric}` : String(id),
      label: [varied[order], label].filter(Boolean).join(', '),
      loss,
      runs: [id],
      metric,
      place: place + each,
    }));
  });
}

/** For each run what tells it from the others beside its loss; its number where nothing else does. */
export function variedWords(runs: readonly RunWords[]): string[] {
  if (runs.length === 1) return [''];
  const words = runs.map(({ learningRate, beta, seed }) => [
    `lr ${formatLearningRate(learningRate)}`,
    beta === undefined ? '' : `β ${formatBeta(beta)}`,
    `seed ${seed}`,
  ]);
  const varies = [0, 1, 2].filter((kind) => new Set(words.map((word) => word[kind])).size > 1);
  const said = words.map((word) => varies.map((kind) => word[kind]).join(', '));
  const keys = runs.map(({ loss }, place) => `${loss} ${said[place]!}`);
  return runs.map(({ id }, place) => {
    const isShared = keys.indexOf(keys[place]!) !== keys.lastIndexOf(keys[place]!);
    return isShared ? [`run ${id}`, said[place]!].filter(Boolean).join(', ') : said[place]!;
  });
}
