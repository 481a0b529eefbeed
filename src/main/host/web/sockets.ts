import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import {
  decodeMessage,
  encodeMessage,
  largestMessage,
  type HostMessage,
} from '../../../shared/app/protocol.ts';
import type { Connection } from '../app/connection.ts';

export const mostSockets = 32;
/** What a page has not read may pile up so far; then it is closed. */
const mostWaitingBytes = 32 << 20;
const pingMilliseconds = 30_000;

/** Pages over WebSockets. Who may open one is decided before `accept`. */
export class Sockets {
  readonly #server = new WebSocketServer({
    noServer: true,
    // Bytes; a character takes up to three.
    maxPayload: 3 * largestMessage,
    perMessageDeflate: false,
    clientTracking: true,
  });
  readonly #connect: (connection: Connection) => void;
  readonly #log: (text: string) => void;
  readonly #pings: NodeJS.Timeout;
  readonly #answered = new WeakSet<WebSocket>();

  constructor(connect: (connection: Connection) => void, log: (text: string) => void) {
    this.#connect = connect;
    this.#log = log;
    this.#pings = setInterval(() => this.#ping(), pingMilliseconds);
    this.#pings.unref();
  }

  get full(): boolean {
    return this.#server.clients.size >= mostSockets;
  }

  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#server.handleUpgrade(request, socket, head, (page) => {
      this.#answered.add(page);
      page.on('pong', () => this.#answered.add(page));
      page.on('error', (error) => this.#log(`a page was closed: ${error.message}`));
      this.#connect(asConnection(page, this.#log));
    });
  }

  close(): void {
    clearInterval(this.#pings);
    for (const page of this.#server.clients) page.terminate();
    this.#server.close();
  }

  #ping(): void {
    for (const page of this.#server.clients) {
      if (!this.#answered.delete(page)) page.terminate();
      else page.ping();
    }
  }
}

function asConnection(page: WebSocket, log: (text: string) => void): Connection {
  return {
    send(message: HostMessage) {
      if (page.readyState !== page.OPEN) return;
      if (page.bufferedAmount > mostWaitingBytes) {
        log('a page was closed: it does not read what it is sent');
        page.terminate();
        return;
      }
      page.send(encodeMessage(message));
    },
    onMessage(listener) {
      page.on('message', (data: RawData, isBinary: boolean) => {
        const message = isBinary ? undefined : decoded(data);
        if (message !== undefined) listener(message);
        else {
          log('a page was closed: it sent what is no message');
          page.close(1007);
        }
      });
    },
    onClose: (listener) => void page.on('close', listener),
    close: () => page.close(),
  };
}

function decoded(data: RawData): unknown {
  // One buffer, as ws gives it by default.
  const text = (data as Buffer).toString('utf8');
  if (text.length > largestMessage) return undefined;
  try {
    return decodeMessage(text);
  } catch {
    return undefined;
  }
}
