import type { PairBlocks } from '../models/attention.ts';
import { isSame, type PackablePair } from './packing.ts';

/** What there is room for in one pass. */
export interface PackingRoom extends Pick<PairBlocks, 'prompts' | 'pairsPerPrompt'> {
  /** Most tokens of a pass that takes more than one pair; any number if absent. */
  readonly tokens?: number | undefined;
  /** Tokens that all prompts begin with, at least one less than the shortest has: a pass holds them once. None if absent. */
  readonly prefix?: number | undefined;
}

/** Neighbours that are looked at together: passes come near to the pairs' order, and are as full as they can be. */
const pairsAtOnce = 32;

/**
 * Distributes pairs over as few passes as it finds, neighbours among neighbours; those with the same prompt share it as far as there is
 * room.
 * @returns for every pass, for every prompt, places among the pairs; passes, prompts and places by what comes first
 */
export function distribute(pairs: readonly PackablePair[], room: PackingRoom): number[][][] {
  const places = [...pairs.keys()];
  return Array.from({ length: Math.ceil(pairs.length / pairsAtOnce) }, (_, part) =>
    distributeSome(pairs, places.slice(part * pairsAtOnce, (part + 1) * pairsAtOnce), room),
  ).flat();
}

/** Pairs of one prompt, and the tokens that they add to a pass. */
interface PromptGroup {
  readonly places: number[];
  tokens: number;
}

/** First fit, the longest prompts first: of the simple ways the one that leaves least room (Johnson et al. 1974). */
function distributeSome(
  pairs: readonly PackablePair[],
  places: readonly number[],
  { prompts, pairsPerPrompt, tokens = Infinity, prefix = 0 }: PackingRoom,
): number[][][] {
  const most = tokens - prefix;
  const groups: PromptGroup[] = [];
  for (const place of places) {
    const { prompt, chosen, rejected } = pairs[place]!;
    const answers = chosen.length + rejected.length;
    const group = groups.find(
      (own) =>
        own.places.length < pairsPerPrompt &&
        own.tokens + answers <= most &&
        isSame(pairs[own.places[0]!]!.prompt, prompt),
    );
    if (group) {
      group.places.push(place);
      group.tokens += answers;
    } else {
      groups.push({ places: [place], tokens: prompt.length - prefix + answers });
    }
  }
  const passes: { readonly groups: PromptGroup[]; tokens: number }[] = [];
  for (const group of groups.toSorted((a, b) => b.tokens - a.tokens)) {
    const pass = passes.find((own) => own.groups.length < prompts && own.tokens + group.tokens <= most);
    if (pass) {
      pass.groups.push(group);
      pass.tokens += group.tokens;
    } else {
      passes.push({ groups: [group], tokens: group.tokens });
    }
  }
  return passes
    .map((pass) => pass.groups.map((group) => group.places).sort(([a = 0], [b = 0]) => a - b))
    .sort(([[a = 0] = []], [[b = 0] = []]) => a - b);
}
