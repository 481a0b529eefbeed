import { tick } from 'svelte';

/** What the first screen still waits for: its own script, then what it asked the host. */
let waiting = 0;
let isTold = false;

/**
 * Marks `usable` in the browser's timeline once what the page waits for at its start has come: then its first screen has
 * its data. To be called where a wait begins; later waits count nothing.
 * @returns ends the wait, with an answer or without; a second time it does nothing
 */
export function waitAtStart(): () => void {
  if (isTold) return () => undefined;
  waiting += 1;
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    // What is drawn of an answer may ask for more.
    void tick().then(() => {
      waiting -= 1;
      if (waiting > 0 || isTold) return;
      isTold = true;
      performance.mark('usable');
    });
  };
}
