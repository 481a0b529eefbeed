import type { Loss } from '../losses/loss.ts';
import type { ModelSource } from '../models/family.ts';
import { GraphSession } from '../session/session.ts';
import { scoringTrainGraph, trainGraph, type Trainable } from './graphs.ts';
import { graphSizes, sessionOptions, type EngineOptions } from './scorer.ts';

export interface TrainerOptions extends EngineOptions {
  /** Sequences per pass side by side: 1 for preference pairs, more for supervised fine-tuning of small models. */
  readonly batch?: number;
  /** False for a session that takes steps alone: one graph without branches or rounds. */
  readonly scores?: boolean;
}

function isSameShape(one: Trainable, other: Trainable): boolean {
  if (one.kind !== 'lora' || other.kind !== 'lora') return one.kind === other.kind;
  const paths = ({ targets }: typeof one): string => targets.map(({ path }) => path).join();
  return one.rank === other.rank && one.scale === other.scale && paths(one) === paths(other);
}

/** Whether a training session scores as well, in passes without gradient: sequences side by side are packed in another way. */
function scoresToo({ batch = 1, scores = true }: TrainerOptions): boolean {
  return scores && batch === 1;
}

/** Whether a trainer of a shape will have a scorer (`Trainer.scorer`) for another: its own, or none on frozen weights. */
export function canScore(trained: Trainable, scored: Trainable, options: TrainerOptions): boolean {
  const isBase = scored.kind === 'none' && trained.kind === 'lora';
  return scoresToo(options) && (isBase || isSameShape(scored, trained));
}

/** As `graphSizes`, for a graph that takes steps. */
export function trainerSizes(options: TrainerOptions): ReturnType<typeof graphSizes> {
  const sizes = graphSizes(options);
  return { ...sizes, inRounds: sizes.inRounds && options.scores !== false };
}

/** The session of a trainer: its graph goes when it is made. */
export function openTrainingSession(
  source: ModelSource,
  trainable: Trainable,
  losses: readonly Loss[],
  options: TrainerOptions & { readonly batch: number },
): Promise<GraphSession> {
  const sizes = { batch: options.batch, ...trainerSizes(options) };
  const own = sessionOptions(source, options);
  if (!scoresToo(options)) return GraphSession.create(trainGraph(source, trainable, losses, sizes), own);
  const { outputs, onDemand } = scoringTrainGraph(source, trainable, losses, sizes);
  return GraphSession.create(outputs, { ...own, onDemand });
}
