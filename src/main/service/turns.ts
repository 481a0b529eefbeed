import { setImmediate as nextTurn } from 'node:timers/promises';

/** How long work may hold the event loop, in milliseconds. */
const longest = 15;

/** Lets others have their turn in the middle of long work: a host answers every page from one event loop. */
export class Turns {
  readonly #signal: AbortSignal | undefined;
  #since = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /**
   * To be called between pieces of work; waits only where the last turn is some milliseconds ago.
   * @returns whether it has waited
   * @throws the signal's reason
   */
  async pass(): Promise<boolean> {
    if (performance.now() - this.#since < longest) return false;
    await nextTurn();
    this.#signal?.throwIfAborted();
    this.#since = performance.now();
    return true;
  }
}
