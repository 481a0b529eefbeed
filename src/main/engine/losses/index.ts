import { cdpo } from './cdpo.ts';
import { dpo } from './dpo.ts';
import { dpop } from './dpop.ts';
import { hinge } from './hinge.ts';
import { ipo } from './ipo.ts';
import { kappaDpo } from './kappa-dpo.ts';
import type { Loss } from './loss.ts';
import { minorDpo } from './minor-dpo.ts';
import { minorSft } from './minor-sft.ts';
import { orpo } from './orpo.ts';
import { robust } from './robust.ts';
import { sft } from './sft.ts';
import { simpo } from './simpo.ts';

/** Every loss, in the order of shared/losses.ts. */
export const losses: readonly Loss[] = [
  dpo,
  minorDpo,
  kappaDpo,
  dpop,
  ipo,
  hinge,
  cdpo,
  robust,
  simpo,
  orpo,
  sft,
  minorSft,
];

export function lossByName(name: string): Loss {
  const loss = losses.find((each) => each.name === name);
  if (!loss) throw new Error(`there is no loss ${name}`);
  return loss;
}
