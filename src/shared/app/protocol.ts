/**
 * Messages between a page and its host, the same over a WebSocket (as text) and a MessagePort (as objects). A page numbers
 * its calls; every call is answered once, by `result` or `failed`.
 */
import type { GeneratedPiece, ProgressEvent, RunSummary } from '../contract.ts';
import type { MethodName } from './api.ts';

export type { GeneratedPiece };

export type ClientMessage =
  | { readonly kind: 'call'; readonly id: number; readonly method: MethodName; readonly request: unknown }
  /** The call ends as soon as it can, with an error of type `cancelled`. */
  | { readonly kind: 'cancel'; readonly id: number };

/** Why a call failed. */
export interface CallError {
  /** `input`: a person can mend it; `usage`: the request was wrong; `unexpected`: a fault of the program. */
  readonly type: 'input' | 'usage' | 'cancelled' | 'unexpected';
  /** For people, in one line, with file and row. */
  readonly message: string;
  readonly file?: string;
  readonly row?: number;
}

/** What a page may have to read anew. */
export const topics = [
  'runs',
  'queue',
  'comparisons',
  'judgings',
  'data',
  'models',
  'projects',
  'settings',
] as const;
export type Topic = (typeof topics)[number];

export type HostMessage =
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: CallError }
  | { readonly kind: 'progress'; readonly id: number; readonly event: ProgressEvent }
  | { readonly kind: 'piece'; readonly id: number; readonly piece: GeneratedPiece }
  /** Pushed to every page: lists that are no longer as they were. */
  | { readonly kind: 'changed'; readonly topics: readonly Topic[] }
  /** Pushed: runs that are at work or changed their state, as they are now. */
  | { readonly kind: 'runs'; readonly runs: readonly RunSummary[] }
  /** Pushed: what the process of a job is doing (null: its work ended). */
  | { readonly kind: 'job'; readonly job: number; readonly event: ProgressEvent | null };

/** The largest message a host takes, in characters: an edited row is the largest thing a page has to say. */
export const largestMessage = 8_000_000;

const marker = '$number';

/** Messages as text: JSON in which NaN, the infinities and −0 stand as `{"$number": "NaN"}` and so on. */
export function encodeMessage(message: ClientMessage | HostMessage): string {
  return JSON.stringify(message, (_key, part: unknown) =>
    typeof part === 'number' && (!Number.isFinite(part) || Object.is(part, -0))
      ? { [marker]: Object.is(part, -0) ? '-0' : String(part) }
      : part,
  );
}

/** Reads what `encodeMessage` wrote. @throws SyntaxError for anything that is not JSON */
export function decodeMessage(text: string): unknown {
  // To look at every value takes many times as long as parsing: most messages, and all long ones of charts, have none.
  if (!text.includes(marker)) return JSON.parse(text);
  return JSON.parse(text, (_key, part: unknown) => {
    if (typeof part !== 'object' || part === null || !Object.hasOwn(part, marker)) return part;
    const keys = Object.keys(part);
    const value = (part as Record<string, unknown>)[marker];
    return keys.length === 1 && typeof value === 'string' ? Number(value) : part;
  });
}
