import { fileURLToPath } from 'node:url';
import type { GeneratedPiece, ScoreTextResult } from '../../shared/contract.ts';
import { InputError } from '../../shared/errors.ts';
import type { StartPlace } from './job.ts';
import { freshHash } from './model.ts';
import type { FromPlayer, PlayedText, PlayerRequest, ToPlayer } from './player-messages.ts';
import type { Completion, PolicyPlace, Prompt } from './playground.ts';
import { startNodeProcess, type StartProcess, type WorkerProcess } from './process.ts';
import { died, MemoryEvents, toError } from './supervisor.ts';

export interface PlayersOptions {
  /** Default: as Node starts one. */
  readonly startProcess?: StartProcess | undefined;
  readonly threads?: number | undefined;
  /** After which a process without work ends; a minute if absent. */
  readonly idleMilliseconds?: number | undefined;
  /** Sessions that one process may open before another takes its place. */
  readonly mostSessions?: number | undefined;
}

export interface PlayCall {
  readonly signal?: AbortSignal | undefined;
  readonly onPiece?: ((piece: GeneratedPiece) => void) | undefined;
}

const usualIdle = 60_000;

// It lies beside this file, as source or as what ships.
const playerFile = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './player.ts' : './player.js', import.meta.url),
);

/** Keeps a process for every model in use, and asks it. */
export class Players {
  readonly #options: PlayersOptions;
  /** By model; what leaves is no longer in here. */
  readonly #players = new Map<string, Player>();
  /** Those that still end, by model: their memory is to be free before another opens the same weights. */
  readonly #leaving = new Map<string, Promise<unknown>>();
  #closed = false;

  constructor(options: PlayersOptions = {}) {
    this.#options = options;
  }

  /** @throws as `Playground.generate`; InputError where the process dies; the signal's reason at once when aborted */
  async generate(
    start: StartPlace,
    policy: PolicyPlace,
    request: Prompt,
    call: PlayCall = {},
  ): Promise<PlayedText> {
    return (await this.#ask(start, { kind: 'generate', policy, request }, call)) as PlayedText;
  }

  /** @throws as `generate` */
  async score(
    start: StartPlace,
    policy: PolicyPlace,
    request: Completion,
    call: PlayCall = {},
  ): Promise<ScoreTextResult> {
    return (await this.#ask(start, { kind: 'score', policy, request }, call)) as ScoreTextResult;
  }

  /** Ids of the processes at hand. */
  get processIds(): number[] {
    return [...this.#players.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** Ends every process and the calls under way. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const player of this.#players.values()) player.kill();
    await Promise.all([...[...this.#players.values()].map(({ ended }) => ended), ...this.#leaving.values()]);
  }

  async #ask(start: StartPlace, request: PlayerRequest, call: PlayCall): Promise<unknown> {
    const key =
      start.kind === 'fresh'
        ? `fresh ${freshHash(start.configFile)} ${start.configFile}`
        : `base ${start.hash} ${start.weightsFolder}`;
    for (;;) {
      await orAborted(this.#leaving.get(key), call.signal);
      if (this.#closed) throw new InputError('the program is closing');
      const player = this.#players.get(key) ?? this.#start(key, start);
      const answer = await player.ask(request, call);
      if (answer !== 'full') return answer;
      if (this.#players.get(key) === player) this.#retire(key, player);
    }
  }

  #start(key: string, start: StartPlace): Player {
    const { startProcess = startNodeProcess, threads, mostSessions } = this.#options;
    const { idleMilliseconds = usualIdle } = this.#options;
    const player = new Player(startProcess(playerFile), {
      open: { kind: 'open', start, threads, mostSessions },
      idleMilliseconds,
      onIdle: () => this.#retire(key, player),
    });
    this.#players.set(key, player);
    void player.ended.then(() => {
      if (this.#players.get(key) === player) this.#players.delete(key);
    });
    return player;
  }

  /** Gives it no more work and ends it after what it has. */
  #retire(key: string, player: Player): void {
    this.#players.delete(key);
    const gone = player.leave().then(() => {
      if (this.#leaving.get(key) === gone) this.#leaving.delete(key);
    });
    this.#leaving.set(key, gone);
  }
}

/** @throws the signal's reason as soon as that is aborted */
async function orAborted(
  promise: Promise<unknown> | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  if (!promise) return;
  if (!signal) return void (await promise);
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort!);
  }
}

interface Call {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onPiece: PlayCall['onPiece'];
}

/** One process and the calls that it has not answered. */
class Player {
  readonly #process: WorkerProcess;
  readonly #memory = new MemoryEvents();
  /** Also calls that nobody waits for any more. */
  readonly #calls = new Map<number, Call>();
  readonly #idleMilliseconds: number;
  readonly #onIdle: () => void;
  readonly ended: Promise<void>;
  pid: number | undefined;
  #nextId = 1;
  #idle: NodeJS.Timeout | undefined;
  #leaves = false;
  #output = '';

  constructor(
    process_: WorkerProcess,
    options: { readonly open: ToPlayer; readonly idleMilliseconds: number; readonly onIdle: () => void },
  ) {
    this.#process = process_;
    this.#idleMilliseconds = options.idleMilliseconds;
    this.#onIdle = options.onIdle;
    const kill = (): void => process_.kill();
    process.once('exit', kill);
    process_.onStart((pid) => (this.pid = pid));
    process_.onMessage((message) => this.#hear(message as FromPlayer));
    process_.onOutput((text) => (this.#output = (this.#output + text).slice(-4000)));
    this.ended = process_.ended.then((end) => {
      process.removeListener('exit', kill);
      clearTimeout(this.#idle);
      const outOfMemory = end.outOfMemory ?? this.#memory.killed();
      const error = end.error ?? died(end, outOfMemory, this.#output, 'the process that generates');
      for (const call of this.#calls.values()) call.reject(error);
      this.#calls.clear();
    });
    process_.send(options.open);
  }

  /** @returns the result, or `full` */
  ask(request: PlayerRequest, { signal, onPiece }: PlayCall): Promise<unknown> {
    clearTimeout(this.#idle);
    const id = this.#nextId++;
    return new Promise<unknown>((resolve, reject) => {
      const cancel = (): void => {
        this.#process.send({ kind: 'cancel', id } satisfies ToPlayer);
        reject(signal!.reason as Error);
      };
      signal?.addEventListener('abort', cancel, { once: true });
      const settled =
        <Value>(settle: (value: Value) => void) =>
        (value: Value): void => {
          signal?.removeEventListener('abort', cancel);
          settle(value);
        };
      this.#calls.set(id, {
        resolve: settled(resolve),
        reject: settled(reject),
        onPiece: (piece) => {
          if (!signal?.aborted) onPiece?.(piece);
        },
      });
      this.#process.send({ kind: 'ask', id, request } satisfies ToPlayer);
    });
  }

  /** Ends after the calls under way. */
  leave(): Promise<void> {
    this.#leaves = true;
    if (this.#calls.size === 0) this.kill();
    return this.ended;
  }

  kill(): void {
    this.#process.kill();
  }

  #hear(message: FromPlayer): void {
    const call = this.#calls.get(message.id);
    if (message.kind === 'piece') {
      call?.onPiece?.(message.piece);
      return;
    }
    this.#calls.delete(message.id);
    if (message.kind === 'done') call?.resolve(message.result);
    else if (message.kind === 'full') call?.resolve('full');
    else if (message.kind === 'failed') call?.reject(toError(message.error));
    // A call that was cancelled has its answer already.
    if (this.#calls.size > 0) return;
    if (this.#leaves) this.kill();
    else this.#idle = setTimeout(this.#onIdle, this.#idleMilliseconds).unref();
  }
}
