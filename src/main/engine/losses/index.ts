import { dpo } from './dpo.ts';
import { minorDpo } from './minor-dpo.ts';
import { sft } from './sft.ts';
import type { Loss } from './loss.ts';

export const losses: readonly Loss[] = [dpo, minorDpo, sft];

export function lossByName(name: string): Loss {
  const loss = losses.find((each) => each.name === name);
  if (!loss) throw new Error(`there is no loss ${name}`);
  return loss;
}
