import { existsSync, realpathSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../../shared/errors.ts';
import type { Bridge } from '../app/bridge.ts';
import { Gate } from './gate.ts';
import { servePageFile } from './page-files.ts';
import { answer, hasBody, securityHeaders } from './respond.ts';
import { mostSockets, Sockets } from './sockets.ts';
import { giveDownload, showReport, takeFile } from './transfers.ts';

/** The page as `npm run build` makes it. */
export const builtPage = fileURLToPath(new URL('../../../../dist/renderer', import.meta.url));

export interface WebHostOptions {
  readonly bridge: Bridge;
  /** 0: any that is free. */
  readonly port: number;
  /** Folder of the built page. */
  readonly page?: string;
  readonly log: (text: string) => void;
}

export interface WebHost {
  /** To be opened in a browser; holds the token. */
  readonly address: string;
  readonly port: number;
  /** Closes every connection. The bridge is the caller's. */
  close(): Promise<void>;
}

const hint = 'open the address that "plumbline serve" has printed';

/**
 * Serves the app to browsers on this machine, and to nobody else.
 * @throws InputError where the page is not built or the port is taken
 */
export async function openWebHost(options: WebHostOptions): Promise<WebHost> {
  const { bridge, log, page = builtPage } = options;
  if (!existsSync(join(page, 'index.html')))
    throw new InputError('the page is not built; run "npm run build" first', { file: page });
  const folder = realpathSync(page);
  const server = createServer({
    maxHeaderSize: 16_384,
    // A request's head must be here within this time, whatever trickles in.
    headersTimeout: 10_000,
    connectionsCheckingInterval: 1000,
    // An upload of many gigabytes takes as long as it takes; one that stands still is ended by the socket's timeout.
    requestTimeout: 0,
    keepAliveTimeout: 5000,
    requireHostHeader: false,
  });
  server.maxHeadersCount = 64;
  server.maxConnections = 256;
  server.timeout = 60_000;
  const port = await listen(server, options.port);
  const gate = new Gate(port);
  const sockets = new Sockets((connection) => bridge.connect(connection), log);
  const headers = securityHeaders(gate.hosts);
  // Many refusals of one kind are one story: a line a second is enough to tell it.
  const refused = sparingly(log);

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const refusal = gate.refusal(request);
    if (refusal !== undefined) {
      refused(`refused: ${refusal}`);
      return answer(request, response, 403, 'this is not for you');
    }
    const { path, query } = split(request.url ?? '/');
    const token = query.get('token');
    if (request.method === 'GET' && path === '/' && token !== null) {
      if (gate.isToken(token))
        return answer(request, response, 303, 'welcome', { Location: '/', 'Set-Cookie': gate.setCookie });
      refused('refused: its token is another');
      return answer(request, response, 403, hint);
    }
    if (!gate.hasSession(request)) {
      refused('refused: it has no session');
      return answer(request, response, 403, hint);
    }
    if (request.method === 'POST' && path === '/files') return takeFile(request, response, query, bridge);
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return answer(request, response, 405, 'this cannot be done here');
    if (hasBody(request)) return answer(request, response, 400, 'this takes no body');
    if (path.startsWith('/downloads/')) return giveDownload(request, response, path, bridge);
    if (path.startsWith('/view/')) return showReport(request, response, path, bridge);
    return servePageFile(request, response, folder, path);
  }

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    respond(request, response).catch((error: unknown) => {
      // Whoever goes away half-way is no fault.
      const isGone = request.destroyed || response.destroyed;
      if (!isGone) log(`request: ${error instanceof Error ? error.stack : String(error)}`);
      answer(request, response, 500, 'unexpected error, see the log');
    });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const refusal =
      gate.refusal(request) ??
      (gate.hasSession(request) ? undefined : 'it has no session') ??
      (split(request.url ?? '/').path === '/socket' ? undefined : 'it is no socket');
    if (refusal === undefined && !sockets.full) return sockets.accept(request, socket, head);
    refused(`refused a socket: ${refusal ?? `there are ${mostSockets}`}`);
    const status = refusal === undefined ? '503 Service Unavailable' : '403 Forbidden';
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });
  server.on('clientError', (_error, socket: Duplex) => {
    if (socket.writable)
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    else socket.destroy();
  });
  // Without a listener `Expect: 100-continue` would be answered before anybody has looked at the request.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (gate.refusal(request) === undefined && gate.hasSession(request)) response.writeContinue();
    server.emit('request', request, response);
  });

  log(`serving on port ${port}`);
  return {
    address: `http://127.0.0.1:${port}/?token=${gate.token}`,
    port,
    close: () =>
      new Promise((resolve) => {
        sockets.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why =
        error.code === 'EADDRINUSE'
          ? `port ${port} is taken; leave out --port for any that is free`
          : `port ${port} cannot be used (${error.code})`;
      reject(new InputError(why));
    });
    server.listen({ port, host: '127.0.0.1' }, () => resolve((server.address() as AddressInfo).port));
  });
}

/** Path and query of a request's address, as they stand there: nothing is decoded, nothing normalised. */
function split(url: string): { readonly path: string; readonly query: URLSearchParams } {
  const place = url.indexOf('?');
  return place < 0
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, place), query: new URLSearchParams(url.slice(place + 1)) };
}

/** Passes on each text at most once a second, with how often it was left out. */
function sparingly(log: (text: string) => void): (text: string) => void {
  const told = new Map<string, { at: number; left: number }>();
  return (text) => {
    const now = performance.now();
    const before = told.get(text);
    if (before && now - before.at < 1000) {
      before.left += 1;
      return;
    }
    log(before === undefined || before.left === 0 ? text : `${text} (and ${before.left} before)`);
    told.set(text, { at: now, left: 0 });
  };
}
