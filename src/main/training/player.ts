/**
 * The process that keeps one model at hand for playgrounds: generates and scores, several calls side by side, under the
 * base and any checkpoint. It writes nothing, and ends when it is told to or with whoever started it (players.ts).
 */
import { openChannel } from './channel.ts';
import type { StartPlace } from './job.ts';
import { openBase, openFresh } from './model.ts';
import type { FromPlayer, PlayerRequest, ToPlayer } from './player-messages.ts';
import { Playground, PlaygroundFull, type PlaygroundOptions } from './playground.ts';
import { describeError } from './worker-error.ts';

const { send, onMessage } = openChannel<ToPlayer, FromPlayer>();
const calls = new Map<number, AbortController>();
let open = (): Playground => {
  throw new Error('asked before a model was named');
};

/** Opens the model at the first request, which then fails where that does. */
function opener(start: StartPlace, options: PlaygroundOptions): () => Playground {
  let playground: Playground | undefined;
  return () =>
    (playground ??= new Playground(
      start.kind === 'fresh' ? openFresh(start.configFile) : openBase(start),
      options,
    ));
}

async function carryOut(id: number, asked: PlayerRequest, signal: AbortSignal): Promise<FromPlayer> {
  const playground = open();
  if (asked.kind === 'score') {
    const result = await playground.score(asked.policy, asked.request, { signal });
    return { kind: 'done', id, result };
  }
  const { tokens, ...rest } = await playground.generate(asked.policy, asked.request, {
    signal,
    onPiece: (piece) => send({ kind: 'piece', id, piece }),
  });
  return { kind: 'done', id, result: { ...rest, tokens: tokens.length } };
}

async function answer(id: number, asked: PlayerRequest): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  calls.set(id, controller);
  try {
    send(await carryOut(id, asked, signal));
  } catch (error) {
    if (signal.aborted && error === signal.reason) send({ kind: 'cancelled', id });
    else if (error instanceof PlaygroundFull) send({ kind: 'full', id });
    else send({ kind: 'failed', id, error: describeError(error) });
  } finally {
    calls.delete(id);
  }
}

onMessage((message) => {
  if (message.kind === 'open') open = opener(message.start, message);
  else if (message.kind === 'cancel') calls.get(message.id)?.abort();
  else void answer(message.id, message.request);
});
// A terminal's Ctrl-C reaches every process of its group: it is the other side's to answer.
process.on('SIGINT', () => undefined);
