import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Frees an array's memory at once, instead of when the collector comes to it; nobody may read it any more. */
export function discard(array: Float32Array): void {
  (array.buffer as ArrayBuffer).transfer(0);
}

/** Bytes of an array below which nobody need hurry. */
const worthDiscarding = 1 << 20;

/** Discards what was fed to one pass and is for no other: the masks of long sequences. */
export function discardFeeds(feeds: Readonly<Record<string, { readonly data: unknown }>>): void {
  for (const { data } of Object.values(feeds))
    if (data instanceof Float32Array && data.byteLength >= worthDiscarding) discard(data);
}

/** Bytes of heap from which on it is worth some 50 ms to give them back. */
const worthShrinking = 32 << 20;

/** Shrinks the heap if what was built since a moment has widened it much. @param before bytes of heap at that moment (`heapBytes`) */
export function shrinkIfWidened(before: number): void {
  if (heapBytes() - before >= worthShrinking) shrinkHeap();
}

/** Bytes that the heap takes of the system's memory, in use or not. */
export function heapBytes(): number {
  return process.memoryUsage().heapTotal;
}

/**
 * Has the heap shrink to what is in use. Building a large graph takes objects of some 100 MB, which Node keeps pages for long
 * after they are garbage: where memory is short those are needed for the training.
 */
export function shrinkHeap(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('globalThis.gc') as ((options: object) => void) | undefined;
  collect?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
