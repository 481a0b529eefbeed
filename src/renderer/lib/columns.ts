import type { Policy } from '../../shared/app/api.ts';
import type { ModelSummary, RunSummary } from '../../shared/contract.ts';
import { formatLearningRate } from '../../shared/format.ts';

/** A column's policy as it stands in an address: `model:NAME`, `run:3`, `run:3@40`. */
export function columnKey(policy: Policy): string {
  if ('model' in policy) return `model:${policy.model}`;
  return `run:${policy.run}${policy.step === undefined ? '' : `@${policy.step}`}`;
}

/** What a policy can be chosen from: models, then runs that have taken a step, the newest first. */
export function policyOptions(
  models: readonly ModelSummary[],
  runs: readonly RunSummary[],
): { value: string; label: string; note: string; disabled?: boolean }[] {
  return [
    ...models.map(({ name, missing }) => ({
      value: columnKey({ model: name }),
      label: name,
      note: missing ? 'its files are gone' : 'base model',
      disabled: missing,
    })),
    ...[...runs]
      .reverse()
      .filter(({ step }) => step > 0)
      .map(({ id, loss, learningRate, seed, model, data }) => ({
        value: columnKey({ run: id }),
        label: `run ${id}: ${loss}, lr ${formatLearningRate(learningRate)}, seed ${seed}`,
        note: `${model} on ${data}`,
      })),
  ];
}

/** Undefined for what is no policy. */
export function parseColumn(key: string): Policy | undefined {
  if (key.startsWith('model:') && key.length > 6) return { model: key.slice(6) };
  const found = /^run:([1-9]\d*)(?:@(\d+))?$/.exec(key);
  if (!found) return undefined;
  return { run: Number(found[1]), ...(found[2] === undefined ? {} : { step: Number(found[2]) }) };
}

/** Several columns in one parameter: names may hold anything, so they are a JSON list. */
export function columnsParam(policies: readonly Policy[]): string {
  return JSON.stringify(policies.map(columnKey));
}

/** Reads what `columnsParam` wrote, or a single key; what makes no sense is left out. */
export function parseColumns(param: string | undefined): Policy[] {
  if (param === undefined || param === '') return [];
  let keys: unknown;
  try {
    keys = JSON.parse(param);
  } catch {
    keys = [param];
  }
  if (!Array.isArray(keys)) return [];
  return keys.flatMap((key) => (typeof key === 'string' ? (parseColumn(key) ?? []) : []));
}

/** Log-prob below which a token is coloured fully, in nats: one in about 150. */
const faintest = -5;

/** How strongly a token is coloured: 0 for a certain one, 1 from `faintest` on and for what is not a number. */
export function surprise(logProb: number): number {
  if (Number.isNaN(logProb)) return 1;
  return Math.min(1, Math.max(0, logProb / faintest));
}
