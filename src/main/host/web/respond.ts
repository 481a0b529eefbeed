import type { IncomingMessage, ServerResponse } from 'node:http';

/** Headers of every answer. The page may run its own scripts only, talk to this host only, and stand in no frame. */
export function securityHeaders(hosts: readonly string[]): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    // Some browsers do not take 'self' for a WebSocket of the same origin.
    `connect-src 'self' ${hosts.map((host) => `ws://${host}`).join(' ')}`,
    "frame-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    'Content-Security-Policy': policy.join('; '),
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
  };
}

/** Whether something follows a request's head. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return (headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] !== undefined;
}

/** A short answer in plain text; of the request's body nothing more is read. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  send(request, response, status, 'text/plain; charset=utf-8', `${text}\n`, headers);
}

export function answerJson(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  content: unknown,
): void {
  send(request, response, status, 'application/json; charset=utf-8', JSON.stringify(content), {});
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  content: string,
  headers: Readonly<Record<string, string>>,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const isRead = request.complete || !hasBody(request);
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(content),
    'Cache-Control': 'no-store',
    // A body that nobody wants would otherwise have to be read to its end before the next request.
    ...(isRead ? {} : { Connection: 'close' }),
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : content);
  if (!isRead) response.once('finish', () => request.socket.destroySoon());
}
