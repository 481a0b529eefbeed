import { defaultParameters } from '../../../shared/losses.ts';
import { input } from '../graph/types.ts';
import type { Feed } from '../session/session.ts';
import type { Loss, LossInputs, LossValues } from './loss.ts';

/** Which loss a run has, at which β and with which values of its own parameters; absent ones are the loss's defaults. */
export interface LossSettings {
  readonly loss: string;
  readonly beta: number;
  readonly lossParameters?: Readonly<Record<string, number>> | undefined;
}

const inputName = (loss: Loss, parameter: string): string => `${loss.name}.${parameter}`;

/** A loss with inputs of the graph for its own parameters: of several losses in one graph each has its own. */
export function buildLoss(loss: Loss, inputs: Omit<LossInputs, 'parameters'>): LossValues {
  const parameters = Object.fromEntries(
    Object.keys(defaultParameters(loss.name)).map((name) => [
      name,
      input(inputName(loss, name), inputs.beta.dtype as 'float32', [1]),
    ]),
  );
  return loss.build({ ...inputs, parameters });
}

/**
 * What the inputs of β and of all losses' parameters are fed, in single precision. Losses that do not count get their
 * defaults: what they compute is thrown away, but has to be finite.
 */
export function lossFeeds(losses: readonly Loss[], settings: LossSettings): Record<string, Feed> {
  const number = (value: number): Feed => ({ data: Float32Array.of(value), shape: [1] });
  const feeds: Record<string, Feed> = { beta: number(settings.beta) };
  for (const loss of losses) {
    const own = loss.name === settings.loss ? settings.lossParameters : undefined;
    for (const [name, value] of Object.entries({ ...defaultParameters(loss.name), ...own }))
      feeds[inputName(loss, name)] = number(value);
  }
  return feeds;
}
