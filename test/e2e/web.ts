import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { WebSocket, type ClientOptions } from 'ws';
import type { MethodName, RequestOf, ResultOf } from '../../src/shared/app/api.ts';
import {
  decodeMessage,
  encodeMessage,
  type CallError,
  type HostMessage,
} from '../../src/shared/app/protocol.ts';

/** What a client needs to know of a host. */
export interface Place {
  readonly address: string;
  readonly port: number;
}

/** A failed call, as a page sees it. */
export class Refused extends Error {
  readonly error: CallError;
  constructor(error: CallError) {
    super(error.message);
    this.error = error;
  }
}

export const originOf = ({ port }: Place): string => `http://127.0.0.1:${port}`;

/** Opens the printed address, as a browser does. @returns the session's cookie */
export async function signIn({ address }: Place): Promise<string> {
  const { status, headers } = await fetch(address, { redirect: 'manual' });
  if (status !== 303) throw new Error(`the address answered ${status}`);
  return headers.get('set-cookie')!.split(';')[0]!;
}

/** A page behind a real WebSocket. */
export class Page {
  readonly socket: WebSocket;
  /** All that was pushed, in its order. */
  readonly pushed: HostMessage[] = [];
  readonly closed: Promise<number>;
  readonly #open = new Map<
    number,
    { resolve: (value: never) => void; reject: (error: Error) => void; told: HostMessage[] }
  >();
  readonly #waiting = new Set<() => void>();
  #last = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)));
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => this.#hear(decodeMessage(data.toString()) as HostMessage));
    void this.closed.then((code) => {
      for (const { reject } of this.#open.values()) reject(new Error(`closed with ${code}`));
    });
  }

  static async open(place: Place, cookie?: string): Promise<Page> {
    const session = cookie ?? (await signIn(place));
    const socket = openSocket(place, { headers: { cookie: session, origin: originOf(place) } });
    const page = new Page(socket);
    await once(socket, 'open');
    return page;
  }

  call<Method extends MethodName>(
    method: Method,
    request: RequestOf<Method>,
    told: HostMessage[] = [],
  ): Promise<ResultOf<Method>> {
    return this.ask(method, request, told).answer as Promise<ResultOf<Method>>;
  }

  /** As `call`, for what no type allows; `cancel` ends it. */
  ask(
    method: string,
    request: unknown,
    told: HostMessage[] = [],
  ): { readonly answer: Promise<unknown>; readonly cancel: () => void } {
    const id = (this.#last += 1);
    const answer = new Promise<never>((resolve, reject) => this.#open.set(id, { resolve, reject, told }));
    this.socket.send(encodeMessage({ kind: 'call', id, method: method as MethodName, request }));
    return { answer, cancel: () => this.socket.send(encodeMessage({ kind: 'cancel', id })) };
  }

  /** Waits for something that is pushed. */
  async until<Found>(find: (message: HostMessage) => Found | undefined | false, from = 0): Promise<Found> {
    let seen = from;
    for (;;) {
      for (; seen < this.pushed.length; seen += 1) {
        const found = find(this.pushed[seen]!);
        if (found) return found;
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }

  #hear(message: HostMessage): void {
    if (!('id' in message)) {
      this.pushed.push(message);
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
      return;
    }
    const call = this.#open.get(message.id);
    if (!call) throw new Error(`an answer to no question: ${JSON.stringify(message)}`);
    if (message.kind === 'result') call.resolve(message.result as never);
    else if (message.kind === 'failed') call.reject(new Refused(message.error));
    else return void call.told.push(message);
    this.#open.delete(message.id);
  }
}

export function openSocket(place: Place, options: ClientOptions = {}): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${place.port}/socket`, options);
  socket.on('error', () => undefined);
  return socket;
}

/** How a WebSocket fares that is opened so: the status of a refusal, or 101. */
export function upgradeStatus(place: Place, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = openSocket(place, { headers });
    socket.on('unexpected-response', (_request, { statusCode }) => {
      socket.terminate();
      resolve(statusCode!);
    });
    socket.on('open', () => {
      socket.terminate();
      resolve(101);
    });
    socket.on('close', () => reject(new Error('closed without an answer')));
  });
}

/** Sends bytes as they are, and gives what comes back until the host closes. An answer need not come: a reset is one. */
export async function raw(
  place: Place,
  send: string | ((socket: Socket) => unknown),
): Promise<{ readonly status: number; readonly text: string }> {
  const socket = connect(place.port, '127.0.0.1');
  let text = '';
  socket.on('error', () => undefined);
  socket.on('data', (data) => (text += data.toString('latin1')));
  const closed = new Promise((resolve) => socket.on('close', resolve));
  await once(socket, 'connect');
  if (typeof send === 'string') socket.write(send, 'latin1');
  else await send(socket);
  await closed;
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text };
}

/** A built page in small, with what must not be served beside it. */
export function writePage(folder: string): { readonly page: string; readonly secret: string } {
  const page = join(folder, 'page');
  const secret = 'nobody may read this';
  mkdirSync(join(page, 'assets'), { recursive: true });
  writeFileSync(join(page, 'index.html'), '<!doctype html><title>page</title>');
  writeFileSync(join(page, 'assets', 'index-Ab12_-Zz.js'), 'export {};');
  writeFileSync(join(page, '.hidden.js'), secret);
  writeFileSync(join(folder, 'secret.js'), secret);
  symlinkSync(join(folder, 'secret.js'), join(page, 'assets', 'link-Ab12Cd34.js'));
  symlinkSync(folder, join(page, 'assets', 'up'));
  return { page, secret };
}
