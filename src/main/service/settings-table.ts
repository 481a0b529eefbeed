import { runConfigOf, type RunConfig } from '../../shared/config.ts';
import { describeLoss } from '../../shared/losses.ts';
import type { CompareRequest } from '../../shared/contract.ts';

/** Settings that all arms share, flat for a table. */
export function describeSettings(request: CompareRequest): Record<string, string | number | boolean | null> {
  const { lora, ...rest } = request.shared;
  const beta = request.shared.beta ?? describeLoss(request.arms[0]!).defaultBeta;
  const flat: Record<string, string | number | boolean | null> = { beta };
  for (const [name, value] of Object.entries(rest)) if (value !== undefined) flat[name] = value;
  if (lora) {
    flat['lora rank'] = lora.rank;
    flat['lora alpha'] = lora.alpha;
    flat['lora targets'] = Array.isArray(lora.targets) ? lora.targets.join(', ') : lora.targets;
  }
  return flat;
}

/** Names of the settings in which the arms of one learning rate and seed differ. */
export function differences(request: CompareRequest): string[] {
  const cell = { learningRate: request.learningRates[0]!, seed: request.seeds[0]! };
  const configs = request.arms.map((loss) => runConfigOf(request.shared, { loss, ...cell }));
  const names = [...new Set(configs.flatMap((config) => Object.keys(config)))];
  return names.filter(
    (name) => new Set(configs.map((config) => JSON.stringify(config[name as keyof RunConfig]))).size > 1,
  );
}
