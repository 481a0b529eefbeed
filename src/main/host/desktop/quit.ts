import type { App } from 'electron';

/** How long work may take to end with a checkpoint: a long optimizer step and writing a whole model. */
export const patienceMilliseconds = 60_000;

/**
 * Lets the program quit only after `close` has come to its end, however quitting was asked for.
 * @param close ends all work; gets a signal that aborts when patience is over, upon which it must end at once
 */
export function closeBeforeQuit(
  app: Pick<App, 'on' | 'quit'>,
  close: (impatient: AbortSignal) => Promise<void>,
  patience = patienceMilliseconds,
): void {
  let state: 'open' | 'closing' | 'closed' = 'open';
  app.on('before-quit', (event) => {
    if (state === 'closed') return;
    event.preventDefault();
    if (state === 'closing') return;
    state = 'closing';
    void close(AbortSignal.timeout(patience)).finally(() => {
      state = 'closed';
      app.quit();
    });
  });
}

/** Fulfilled when `work` is, or when the signal aborts. */
export async function until(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const over = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([work, over]);
}
