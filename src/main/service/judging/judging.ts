import { randomInt } from 'node:crypto';
import type {
  CallOptions,
  JudgedPolicy,
  JudgingItemView,
  JudgingPrompts,
  JudgingRequest,
  JudgingResult,
  JudgingResultRequest,
  JudgingSettings,
  JudgingSummary,
  JudgingView,
  ListJudgingsRequest,
  ListJudgingsResult,
  PrepareJudgingRequest,
  RemoveJudgingRequest,
  RemoveJudgingResult,
  ShowJudgingRequest,
  StartJudgingRequest,
  VoteRequest,
} from '../../../shared/contract.ts';
import { largestSeed } from '../../../shared/config.ts';
import { InputError } from '../../../shared/errors.ts';
import { judgingStatistics, type Side } from '../../../shared/judging.ts';
import type { FirstSide, Judging, JudgingItem } from '../../store/judgings.ts';
import type { Players } from '../../training/players.ts';
import { Random } from '../../training/streams.ts';
import type { Library } from '../library.ts';
import { projectIdOf } from '../projects.ts';
import { answer, pinPolicy } from './policies.ts';
import { judgingPrompts } from './prompts.ts';

/** @throws InputError where prompts or policies are not there, or both policies are the same */
export async function startJudging(
  library: Library,
  request: StartJudgingRequest,
  call: CallOptions,
): Promise<JudgingSummary> {
  const { prompts: source, most, chat, maxTokens, temperature, topP } = request;
  const projectId = projectIdOf(library.store, request.project);
  const all = judgingPrompts(library, source);
  const chats = chat || typeof all[0] !== 'string';
  const first = await pinPolicy(library, request.policies[0], chats, call);
  const second = await pinPolicy(library, request.policies[1], chats, call);
  if (first.hash === second.hash && first.checkpoint === second.checkpoint)
    throw new InputError('both policies are the same weights; there is nothing to tell apart', {
      file: second.label,
    });
  // A seed that nobody has chosen is one that nobody could draw the sides from.
  const seed = request.seed ?? randomInt(largestSeed + 1);
  // Drawn also where all are judged, so that a judging that ends early has judged a sample.
  const order = new Random(seed, 'judging prompts').permutation(all.length).slice(0, most);
  const sides = new Random(seed, 'judging sides');
  const settings: JudgingSettings = { chat, maxTokens, temperature, topP };
  const judging = library.store.judgings.add(
    {
      projectId,
      name: request.name ?? `${first.label} against ${second.label}`,
      policies: [first, second],
      prompts: source,
      settings,
      seed,
    },
    order.map((place) => ({ prompt: all[place]!, firstSide: sides.below(2) as FirstSide })),
  );
  return summarise(judging);
}

export function listJudgings({ store }: Library, { project }: ListJudgingsRequest): ListJudgingsResult {
  const projectId = project === undefined ? undefined : projectIdOf(store, project);
  const judgings = store.judgings
    .list()
    .filter((judging) => projectId === undefined || judging.projectId === projectId);
  return { judgings: judgings.map(summarise) };
}

export function showJudging(library: Library, { judging: id, item }: ShowJudgingRequest): JudgingView {
  return view(library, requireJudging(library, id), item);
}

/** Generates answers in the order in which they are judged; each is kept as soon as both are there. */
export async function prepareJudging(
  library: Library,
  players: Players,
  { judging: id, ahead }: PrepareJudgingRequest,
  call: CallOptions,
): Promise<JudgingSummary> {
  const { judgings } = library.store;
  const judging = requireJudging(library, id);
  const policies = judging.policies as JudgingSummary['policies'];
  const settings = judging.settings as JudgingSettings;
  const wanted = judgings
    .items(id)
    .filter(({ vote }) => vote === null)
    .slice(0, ahead);
  const missing = wanted.filter(({ outputs }) => outputs === null);
  let done = wanted.length - missing.length;
  const tell = (): void =>
    call.onProgress?.({
      kind: 'progress',
      label: 'generating answers',
      done,
      total: wanted.length,
      unit: 'prompts',
    });
  for (const { index, prompt } of missing) {
    tell();
    // One seed for both, as in the playground, and another for every prompt.
    const seed = new Random(judging.seed, `judging answer ${index}`).next();
    const generate = async (policy: JudgedPolicy): Promise<string> => {
      // What a policy says of itself must not reach the judge while it generates.
      const quiet = { signal: call.signal };
      return inItem(index, () => answer(library, players, policy, prompt, { ...settings, seed }, quiet));
    };
    judgings.setOutputs(id, index, [await generate(policies[0]), await generate(policies[1])]);
    done += 1;
  }
  tell();
  return summarise(requireJudging(library, id));
}

/** @throws InputError once the sides were told, and where there is no answer to vote on */
export function vote(library: Library, { judging: id, item: index, vote }: VoteRequest): JudgingView {
  const judging = requireOpen(library, id);
  const item = library.store.judgings.item(id, index);
  if (!item) throw new InputError(`judging ${id} has no item ${index}; it has ${judging.items}`);
  // A prompt that cannot be answered can still be passed over.
  if (item.outputs === null && vote !== null && vote !== 'skip')
    throw new InputError(
      `item ${index} of judging ${id} has no answers yet; make them with: plumbline judge prepare ${id}`,
    );
  library.store.judgings.setVote(id, index, vote);
  const items = library.store.judgings.items(id);
  const open = items.filter((each) => each.vote === null).map((each) => each.index);
  const next = open.find((each) => each > index) ?? open[0] ?? index;
  return view(library, requireJudging(library, id), next);
}

/** @throws InputError where there is nothing to take back, and once the sides were told */
export function undoVote(library: Library, { judging: id }: JudgingRequest): JudgingView {
  requireOpen(library, id);
  const last = library.store.judgings.lastVoted(id);
  if (last === undefined) throw new InputError(`no vote of judging ${id} is left to take back`);
  library.store.judgings.setVote(id, last, null);
  return view(library, requireJudging(library, id), last);
}

/** @throws InputError where nothing was judged, and where some is not and `early` is not said */
export function judgingResult(
  library: Library,
  { judging: id, early = false }: JudgingResultRequest,
): JudgingResult {
  const { judgings } = library.store;
  const { items, voted, revealedAt } = requireJudging(library, id);
  if (voted === 0) throw new InputError(`nothing of judging ${id} was judged yet`);
  if (voted < items && revealedAt === null && !early) {
    throw new InputError(
      `${items - voted} of ${items} items of judging ${id} have no vote; judge them, or end it with --early`,
    );
  }
  judgings.reveal(id);
  const judging = requireJudging(library, id);
  const all = judgings.items(id);
  return {
    ...summarise(judging),
    seed: judging.seed,
    settings: judging.settings as JudgingSettings,
    statistics: judgingStatistics(
      all.map(({ vote, firstSide, outputs }) => ({
        vote,
        first: sideOf(firstSide),
        lengths: [charactersOf(outputs?.[0]), charactersOf(outputs?.[1])],
      })),
    ),
    judged: all.filter(({ vote }) => vote !== null).map((item) => itemView(item, true)),
  };
}

export function removeJudging(
  library: Library,
  { judging: id, confirmed }: RemoveJudgingRequest,
): RemoveJudgingResult {
  const judging = summarise(requireJudging(library, id));
  return { judging, removed: confirmed && library.store.judgings.remove(id) };
}

/** @throws InputError where there is none */
export function requireJudging({ store }: Library, id: number): Judging {
  const judging = store.judgings.get(id);
  if (judging) return judging;
  throw new InputError(`there is no judging ${id}; see: plumbline judge list`);
}

function requireOpen(library: Library, id: number): Judging {
  const judging = requireJudging(library, id);
  if (judging.revealedAt === null) return judging;
  throw new InputError(`the sides of judging ${id} have been told: its votes stand`);
}

/** Field by field: what is recorded of sides, and the seed that they were drawn from, stays here. */
function summarise(judging: Judging): JudgingSummary {
  const { id, name, project, items, ready, voted, revealedAt, createdAt } = judging;
  return {
    id,
    name,
    project,
    policies: judging.policies as JudgingSummary['policies'],
    prompts: judging.prompts as JudgingPrompts,
    items,
    ready,
    voted,
    revealed: revealedAt !== null,
    createdAt: new Date(createdAt).toISOString(),
  };
}

function view(library: Library, judging: Judging, wanted?: number): JudgingView {
  const items = library.store.judgings.items(judging.id);
  const item = items[wanted ?? items.findIndex(({ vote }) => vote === null)] ?? items.at(-1)!;
  if (wanted !== undefined && item.index !== wanted)
    throw new InputError(`judging ${judging.id} has no item ${wanted}; it has ${items.length}`);
  return {
    ...summarise(judging),
    item: itemView(item, judging.revealedAt !== null),
    votes: items.map(({ vote }) => vote),
  };
}

function itemView({ index, prompt, outputs, firstSide, vote }: JudgingItem, told: boolean): JudgingItemView {
  return {
    item: index,
    prompt,
    ...(outputs === null ? {} : { answers: { a: outputs[firstSide], b: outputs[firstSide === 0 ? 1 : 0] } }),
    vote,
    ...(told ? { first: sideOf(firstSide) } : {}),
  };
}

export const sideOf = (firstSide: FirstSide): Side => (firstSide === 0 ? 'a' : 'b');

const charactersOf = (text = ''): number => Array.from(text).length;

/** Says at which item something cannot be generated; whose answer it is would tell nothing of the sides. */
async function inItem<Result>(index: number, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(`item ${index}: ${error.bareMessage}`, error.place);
  }
}
