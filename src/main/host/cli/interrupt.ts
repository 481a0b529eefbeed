/** Ctrl-C, a polite kill, and a terminal that closes: each is a wish to stop. */
const wishes = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Wish = (typeof wishes)[number];

export interface InterruptSource {
  on(signal: Wish, listener: () => void): unknown;
  off(signal: Wish, listener: () => void): unknown;
}

/** What is said at the first where a command says nothing else. */
export const stopsAfterStep = 'stopping after this step; press again to quit at once';

/** Two signals closer than this are one press: npm passes Ctrl-C on to a program that has already had it. */
const samePressMilliseconds = 400;

/**
 * First Ctrl-C: aborts `controller`, so that work ends after the step under way. Second: `quit`.
 * @returns a function that stops listening.
 */
export function listenForInterrupts(options: {
  readonly source: InterruptSource;
  readonly controller: AbortController;
  /** Tells that the first was heard. */
  readonly say: () => void;
  readonly quit: () => void;
  readonly now: () => number;
}): () => void {
  const { source, controller, say, quit, now } = options;
  let first = 0;
  const listener = () => {
    if (!controller.signal.aborted) {
      first = now();
      say();
      controller.abort();
    } else if (now() - first >= samePressMilliseconds) quit();
  };
  for (const wish of wishes) source.on(wish, listener);
  return () => wishes.forEach((wish) => void source.off(wish, listener));
}
