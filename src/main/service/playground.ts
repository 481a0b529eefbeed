import type {
  CallOptions,
  GeneratedPiece,
  GenerateTextRequest,
  GenerateTextResult,
  ScoreTextRequest,
  ScoreTextResult,
} from '../../shared/contract.ts';
import type { StartPlace } from '../training/job.ts';
import type { PolicyPlace } from '../training/playground.ts';
import type { Players } from '../training/players.ts';
import { findModel, type Library } from './library.ts';
import { basePlace, explainCheckpoint, policyOfRun, referenceOfRun, type RunPolicy } from './policies.ts';

/** Continues a prompt under the base or a checkpoint, in the process of its model. */
export async function generateText(
  library: Library,
  players: Players,
  { policy, ...request }: GenerateTextRequest,
  call: CallOptions & { readonly onPiece?: ((piece: GeneratedPiece) => void) | undefined },
): Promise<GenerateTextResult> {
  const started = performance.now();
  const played = await underPolicy(library, policy, call, (start, place) =>
    players.generate(start, place, request, call),
  );
  return { ...played, seconds: (performance.now() - started) / 1000 };
}

/** Log-probs of a completion's tokens under the base or a checkpoint. */
export function scoreText(
  library: Library,
  players: Players,
  { policy, ...request }: ScoreTextRequest,
  call: CallOptions,
): Promise<ScoreTextResult> {
  return underPolicy(library, policy, call, (start, place) => players.score(start, place, request, call));
}

/** Lets `work` use a policy as it lies on disk. @throws InputError where it is not there, with what else there is */
export async function underPolicy<Result>(
  library: Library,
  policy: ScoreTextRequest['policy'],
  call: CallOptions,
  work: (start: StartPlace, place: PolicyPlace) => Promise<Result>,
): Promise<Result> {
  call.signal?.throwIfAborted();
  if ('model' in policy)
    return work(basePlace(await findModel(library, policy.model, call)), { kind: 'base' });
  const ofRun = await ('run' in policy
    ? policyOfRun(library, policy, call)
    : referenceOfRun(library, policy.referenceOf, call));
  if (ofRun.place.kind !== 'checkpoint') return work(ofRun.start, ofRun.place);
  try {
    return await work(ofRun.start, ofRun.place);
  } catch (error) {
    explainCheckpoint(library, ofRun as RunPolicy, error);
  }
}
