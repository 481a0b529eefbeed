export interface InterruptSource {
  on(signal: 'SIGINT', listener: () => void): unknown;
  off(signal: 'SIGINT', listener: () => void): unknown;
}

/** Two signals closer than this are one press: npm passes Ctrl-C on to a program that has already had it. */
const samePressMilliseconds = 400;

/**
 * First Ctrl-C: aborts `controller`, so that work ends after the step under way. Second: `quit`.
 * @returns a function that stops listening.
 */
export function listenForInterrupts(options: {
  readonly source: InterruptSource;
  readonly controller: AbortController;
  readonly say: (line: string) => void;
  readonly quit: () => void;
  readonly now: () => number;
}): () => void {
  const { source, controller, say, quit, now } = options;
  let first = 0;
  const listener = () => {
    if (!controller.signal.aborted) {
      first = now();
      say('stopping after this step; press again to quit at once');
      controller.abort();
    } else if (now() - first >= samePressMilliseconds) quit();
  };
  source.on('SIGINT', listener);
  return () => void source.off('SIGINT', listener);
}
