import { describeSftFirst } from '../../shared/comparison.ts';
import type { RunConfig } from '../../shared/config.ts';
import { runConfigsOf } from '../../shared/grid.ts';
import { armName } from '../../shared/arms.ts';
import { usesBeta } from '../../shared/losses.ts';
import type { CompareRequest } from '../../shared/contract.ts';

/** Settings that all arms share, flat for a table; β is not among them where there are several. */
export function describeSettings(request: CompareRequest): Record<string, string | number | boolean | null> {
  const { lora, ...rest } = request.shared;
  const configs = runConfigsOf(request);
  const using = configs.filter(({ loss }) => usesBeta(loss));
  const betas = new Set((using.length > 0 ? using : configs).map(({ beta }) => beta));
  const flat: Record<string, string | number | boolean | null> = {};
  const [beta] = betas;
  if (betas.size === 1) flat['beta'] = beta!;
  if (request.sftFirst) flat['SFT first'] = describeSftFirst(request.sftFirst);
  for (const [name, value] of Object.entries(rest)) if (value !== undefined) flat[name] = value;
  if (lora) {
    flat['lora rank'] = lora.rank;
    flat['lora alpha'] = lora.alpha;
    flat['lora targets'] = Array.isArray(lora.targets) ? lora.targets.join(', ') : lora.targets;
  }
  return flat;
}

/** Names of the settings in which the arms of one learning rate, β and seed differ; β counts only for arms that use it. */
export function differences(request: CompareRequest): string[] {
  const first = (values: readonly number[]): number[] => values.slice(0, 1);
  const configs = runConfigsOf({
    ...request,
    learningRates: first(request.learningRates),
    seeds: first(request.seeds),
    ...(request.betas === undefined ? {} : { betas: first(request.betas) }),
  });
  const names = [...new Set(configs.flatMap((config) => Object.keys(config)))];
  return names.filter((name) => {
    // A loss's own parameters are part of the arm.
    if (name === 'lossParameters') return false;
    if (name === 'loss') return new Set(configs.map(armName)).size > 1;
    const concerned = name === 'beta' ? configs.filter(({ loss }) => usesBeta(loss)) : configs;
    return new Set(concerned.map((config) => JSON.stringify(config[name as keyof RunConfig]))).size > 1;
  });
}
