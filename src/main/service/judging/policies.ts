import type { CallOptions, JudgedPolicy, Policy } from '../../../shared/contract.ts';
import { InputError } from '../../../shared/errors.ts';
import { formatLearningRate } from '../../../shared/format.ts';
import type { Text } from '../../../shared/preferences.ts';
import type { StartPlace } from '../../training/job.ts';
import { freshHash, openBase, openFresh } from '../../training/model.ts';
import type { PolicyPlace, Prompt } from '../../training/playground.ts';
import type { Players } from '../../training/players.ts';
import { findModel, nameOfBase, type Library } from '../library.ts';
import { underPolicy } from '../playground.ts';
import { summariesOf, requireRun } from '../runs/show.ts';

/**
 * Pins a policy to what it is by content, so that all answers of a judging come from the same weights.
 * @param chats whether it must answer through a chat template
 * @throws InputError where it is not there, or has no template where it needs one
 */
export function pinPolicy(
  library: Library,
  policy: Policy,
  chats: boolean,
  call: CallOptions,
): Promise<JudgedPolicy> {
  return underPolicy(library, policy, call, async (start, place) => {
    const pinned = await describe(library, policy, start, place, call);
    if (chats) {
      const { tokenizer } = start.kind === 'fresh' ? openFresh(start.configFile) : openBase(start);
      if (tokenizer.chatTemplate === undefined)
        throw new InputError('has no chat template, which these prompts need', { file: pinned.label });
    }
    return pinned;
  });
}

async function describe(
  library: Library,
  policy: Policy,
  start: StartPlace,
  place: PolicyPlace,
  call: CallOptions,
): Promise<JudgedPolicy> {
  const hash = hashOf(start);
  if ('model' in policy) {
    const { name } = await findModel(library, policy.model, call);
    return { policy: { model: name }, label: name, hash };
  }
  const { step, sha256 } = (place as PolicyPlace & { readonly kind: 'checkpoint' }).checkpoint;
  const [run] = summariesOf(library, [requireRun(library, policy.run)]);
  const { loss, learningRate, seed } = run!;
  const settings = `${loss}, lr ${formatLearningRate(learningRate)}, seed ${seed}`;
  return {
    policy: { run: policy.run, step },
    label: `run ${policy.run} at step ${step} (${settings})`,
    hash,
    checkpoint: sha256,
  };
}

const hashOf = (start: StartPlace): string =>
  start.kind === 'fresh' ? freshHash(start.configFile) : start.hash;

/** @throws InputError where the policy is no longer what was pinned, and as `Players.generate` */
export async function answer(
  library: Library,
  players: Players,
  { policy, label, hash, checkpoint }: JudgedPolicy,
  prompt: Text,
  settings: Omit<Prompt, 'prompt'>,
  call: CallOptions,
): Promise<string> {
  const asked = 'model' in policy ? { model: nameOfBase(library, policy.model, hash) } : policy;
  return underPolicy(library, asked, call, async (start, place) => {
    const now = place.kind === 'checkpoint' ? place.checkpoint.sha256 : undefined;
    if (hashOf(start) !== hash || now !== checkpoint)
      throw new InputError('is no longer what this judging began with; start a new one', { file: label });
    return (await players.generate(start, place, { ...settings, prompt }, call)).text;
  });
}
