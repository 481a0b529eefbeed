import { runTitle } from '../../../shared/grid.ts';
import { InputError } from '../../../shared/errors.ts';
import type { RunSpec } from '../job.ts';
import { planBatches, runUntilDivergence } from '../loop.ts';
import { policyHash, startPolicy } from '../model.ts';
import { orderHash } from '../prepare.ts';
import type { Conditions } from './conditions.ts';
import { resumeState, type WorkContext } from './context.ts';
import { runOne, type RunOutcome, type RunPlace } from './run.ts';

/**
 * Trains the SFT that comes before one seed's arms, or takes it up where it was trained before.
 * @returns the conditions of these arms: they start from it, and it is their reference unless another is named
 * @throws InputError where it diverges: there is nothing to start from
 */
export async function passStage(
  context: WorkContext,
  conditions: Conditions,
  run: RunSpec,
  place: RunPlace,
): Promise<Conditions> {
  const { policy, diverged } = run.done
    ? await takeUp(context, conditions, run)
    : await runOne(context, conditions, run, place);
  const name = runTitle(run, place.grid);
  if (diverged) {
    throw new InputError(
      `${name}: ${diverged.problem} at step ${diverged.step}; no arm can start from that: lower --sft-first`,
    );
  }
  const isNamed = place.grid.shared.reference !== undefined;
  return {
    ...conditions,
    start: policy,
    ...(isNamed ? {} : await conditions.measuredAgainst(policy, `reference log-probs of ${name}`)),
  };
}

/**
 * What an ended stage has learnt, from its last checkpoint. Where that is damaged the steps since the one before are taken
 * again, to the same bits; its record stays as it is.
 */
async function takeUp(context: WorkContext, conditions: Conditions, run: RunSpec): Promise<RunOutcome> {
  const { trainer } = conditions.sessions;
  const { config } = run;
  const { pairs } = conditions;
  const { trainable, parameters } = startPolicy(conditions.model, config);
  const batches = planBatches(config, pairs.length);
  const facts = {
    orderHash: orderHash(pairs, batches),
    adapterStartHash: policyHash({ trainable, parameters }),
  };
  const state = resumeState(context, run, trainer.newState(parameters), facts);
  const loop = { trainer, state, pairs, batches, config, signal: context.call.signal };
  const diverged = await runUntilDivergence(loop);
  return { policy: { trainable, parameters: state.parameters }, diverged };
}
