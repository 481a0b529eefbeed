import { describeSftFirst } from '../../shared/comparison.ts';
import type { RunConfig } from '../../shared/config.ts';
import { runConfigsOf } from '../../shared/grid.ts';
import { describeLoss, usesBeta } from '../../shared/losses.ts';
import type { CompareRequest } from '../../shared/contract.ts';

/** Settings that all arms share, flat for a table; β is not among them where there are several. */
export function describeSettings(request: CompareRequest): Record<string, string | number | boolean | null> {
  const { lora, ...rest } = request.shared;
  const betas = request.betas ?? [request.shared.beta ?? describeLoss(request.arms[0]!).defaultBeta];
  const flat: Record<string, string | number | boolean | null> = {};
  if (betas.length === 1) flat['beta'] = betas[0]!;
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
    const concerned = name === 'beta' ? configs.filter(({ loss }) => usesBeta(loss)) : configs;
    return new Set(concerned.map((config) => JSON.stringify(config[name as keyof RunConfig]))).size > 1;
  });
}
