/**
 * Metric names of one optimizer step. The first group is TRL's (DPOTrainer 1.16), so that people and dashboards
 * recognise them; `eval_` before a name marks evaluation. The second group is ours.
 */
export const metricNames = [
  'loss',
  'grad_norm',
  'learning_rate',
  'rewards/chosen',
  'rewards/rejected',
  'rewards/margins',
  'rewards/accuracies',
  'logps/chosen',
  'logps/rejected',
  'logits/chosen',
  'logits/rejected',
  'entropy',
  'mean_token_accuracy',
  'num_tokens',
  'epoch',
  'gate/open',
  'grad/chosen_share',
  'logratio/chosen_per_token',
  'logratio/rejected_per_token',
  'score/difference',
  'throughput/pairs_per_s',
  'time/step_s',
  'memory/rss',
] as const;

export type MetricName = (typeof metricNames)[number];

/** One optimizer step's metrics; a metric that does not apply (no rejected answer, no reference) is absent. */
export type StepMetrics = { readonly step: number } & { readonly [name in MetricName]?: number };

/**
 * What is measured while a run is at work: on held-out pairs, where names mean the same as without `eval_`, on the greedy
 * answers to sample prompts (mean tokens and repetition), on samples drawn for the KL to the reference (nats per token), and
 * on a comparison's first questions.
 */
export const evaluationMetricNames = [
  'eval_loss',
  'eval_rewards/chosen',
  'eval_rewards/rejected',
  'eval_rewards/margins',
  'eval_rewards/accuracies',
  'eval_logps/chosen',
  'eval_logps/rejected',
  'eval_gate/open',
  'eval_answers/tokens',
  'eval_answers/repetition',
  'eval_kl',
  'eval_task/accuracy',
] as const;

export type EvaluationMetricName = (typeof evaluationMetricNames)[number];

/** Of one evaluation; without the metrics that the run's loss does not have. */
export type EvaluationMetrics = Readonly<Partial<Record<EvaluationMetricName, number>>>;
