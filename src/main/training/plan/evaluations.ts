import { evaluationSteps, type RunConfig } from '../../../shared/config.ts';

/** How often a job's held-out pairs are scored and its sample prompts answered. */
export interface EvaluationCounts {
  readonly scorings: number;
  readonly samplings: number;
  /** How often samples are drawn on the way for the KL to the reference. */
  readonly driftings: number;
  /** How often questions are answered on the way, where any are. */
  readonly questionings: number;
  /** Evaluations of one run. */
  readonly perRun: number;
}

/**
 * Before the first step a run is its own reference, whose log-probs are known, unless another was named; and all runs
 * of a job answer alike, so that this is done once.
 * @param steps of one run
 */
export function evaluationCounts(
  config: Pick<RunConfig, 'evalEvery' | 'samplePrompts' | 'evalKlPrompts' | 'reference'>,
  steps: number,
  runs: number,
): EvaluationCounts {
  const { length: perRun } = evaluationSteps(config.evalEvery, steps);
  const isAtStart = config.evalEvery !== undefined;
  const later = perRun - (isAtStart ? 1 : 0);
  return {
    scorings: runs * (isAtStart && config.reference !== undefined ? perRun : later),
    samplings: isAtStart && config.samplePrompts !== 0 ? 1 + runs * later : 0,
    driftings: isAtStart && config.evalKlPrompts !== 0 ? 1 + runs * later : 0,
    questionings: isAtStart ? 1 + runs * later : 0,
    perRun,
  };
}
