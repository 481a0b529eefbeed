import type { MethodName, RequestOf, ResultOf } from '../../shared/app/api.ts';
import type { CallError, GeneratedPiece, HostMessage } from '../../shared/app/protocol.ts';
import type { ProgressEvent } from '../../shared/contract.ts';
import { connect, type Connection } from './connection.ts';

/** A call that failed, with what to tell a person. */
export class CallFailed extends Error {
  override readonly name = 'CallFailed';
  readonly type: CallError['type'] | 'disconnected';
  readonly file: string | undefined;
  readonly row: number | undefined;

  constructor({ type, message, file, row }: Omit<CallError, 'type'> & { readonly type: CallFailed['type'] }) {
    super(message);
    this.type = type;
    this.file = file;
    this.row = row;
  }
}

export interface CallSettings {
  readonly onProgress?: (event: ProgressEvent) => void;
  readonly onPiece?: (piece: GeneratedPiece) => void;
  /** Aborting it ends the call with a `CallFailed` of type `cancelled`. */
  readonly signal?: AbortSignal;
}

interface Pending extends CallSettings {
  readonly resolve: (result: never) => void;
  readonly reject: (error: CallFailed) => void;
}
type Push = Extract<HostMessage, { kind: 'changed' | 'runs' | 'job' }>;

const longestWait = 5000;
/* eslint-disable svelte/prefer-svelte-reactivity -- nothing is drawn of these */
const pending = new Map<number, Pending>();
const pushListeners = new Set<(push: Push) => void>();
/* eslint-enable svelte/prefer-svelte-reactivity */
let connection: Connection | undefined;
let waiting: (() => void)[] = [];
let lastId = 0;
let retry = 250;
let status = $state<'connecting' | 'open' | 'lost' | 'refused'>('connecting');

/** Whether the host is there; `refused`: one that was started anew and does not know this page. */
export const client = {
  get status() {
    return status;
  },
};

/** Hears what the host tells every page. */
export function onPush(listener: (push: Push) => void): void {
  pushListeners.add(listener);
}

/**
 * Asks the host; waits for it where it is not there yet.
 * @throws CallFailed
 */
export async function call<Method extends MethodName>(
  method: Method,
  request: RequestOf<Method>,
  settings: CallSettings = {},
): Promise<ResultOf<Method>> {
  const { signal } = settings;
  const cancelled = (): CallFailed => new CallFailed({ type: 'cancelled', message: 'stopped' });
  if (connection === undefined) await new Promise<void>((resolve) => waiting.push(resolve));
  if (signal?.aborted) throw cancelled();
  const id = ++lastId;
  const cancel = (): void => connection?.send({ kind: 'cancel', id });
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await new Promise<ResultOf<Method>>((resolve, reject) => {
      pending.set(id, { ...settings, resolve, reject });
      // Requests hold reactive state here and there, which no channel can copy.
      connection!.send({ kind: 'call', id, method, request: $state.snapshot(request) });
    });
  } finally {
    pending.delete(id);
    signal?.removeEventListener('abort', cancel);
  }
}

function receive(message: HostMessage): void {
  if (message.kind === 'changed' || message.kind === 'runs' || message.kind === 'job') {
    pushListeners.forEach((listener) => listener(message));
    return;
  }
  const waiter = pending.get(message.id);
  if (message.kind === 'result') waiter?.resolve(message.result as never);
  else if (message.kind === 'failed') waiter?.reject(new CallFailed(message.error));
  else if (message.kind === 'progress') waiter?.onProgress?.(message.event);
  else waiter?.onPiece?.(message.piece);
}

/** Connects, and again whenever the host is lost. */
export function start(): void {
  connect({
    onOpen(opened) {
      const again = status !== 'connecting';
      connection = opened;
      status = 'open';
      retry = 250;
      waiting.forEach((resolve) => resolve());
      waiting = [];
      // Whatever happened meanwhile was not heard.
      if (again)
        receive({
          kind: 'changed',
          topics: ['runs', 'queue', 'comparisons', 'judgings', 'data', 'models', 'projects', 'settings'],
        });
    },
    onMessage: receive,
    onClose(isRefused) {
      connection = undefined;
      status = isRefused ? 'refused' : 'lost';
      const message = 'the program is not there any more; what it had written is kept';
      pending.forEach(({ reject }) => reject(new CallFailed({ type: 'disconnected', message })));
      pending.clear();
      setTimeout(start, retry);
      retry = Math.min(longestWait, 2 * retry);
    },
  });
}
