import type { CallOptions, PlanRequest, PlanResult } from '../../shared/contract.ts';
import { fits } from '../../shared/plan.ts';
import { planInProcess } from '../training/plan/process.ts';
import { checkCompare } from './compare.ts';
import { planSpecOf } from './jobs.ts';
import type { Library } from './library.ts';
import { checkTrain } from './train.ts';

/** Opens all that a job would open, measures a few passes, and says what the whole would take. Records nothing. */
export async function plan(library: Library, request: PlanRequest, call: CallOptions): Promise<PlanResult> {
  if (request.kind === 'train') checkTrain(request.request);
  else checkCompare(request.request);
  const found = await planInProcess(await planSpecOf(library, request, call), call, library.startProcess);
  return { plan: found, ...fits(found) };
}
