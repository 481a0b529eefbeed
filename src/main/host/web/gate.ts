import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
/** Takes the same time wherever the texts differ, and whatever their lengths. */
const isSame = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other));

/** Who may come in: a browser on this machine that was opened at the address with the token. */
export class Gate {
  /** Stands in the address that is printed: 256 bits that nobody can guess. */
  readonly token = randomBytes(32).toString('base64url');
  // Another secret, so that an address that was seen over a shoulder says nothing of sessions that are open.
  readonly #session = randomBytes(32).toString('base64url');
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /** Hosts by which this one is known. Any other name is one that was made to point here (DNS rebinding). */
  get hosts(): readonly string[] {
    return [`127.0.0.1:${this.#port}`, `localhost:${this.#port}`];
  }

  /** Cookies know no ports: the name tells two hosts on one machine apart. */
  get #cookie(): string {
    return `plumbline-${this.#port}`;
  }

  /** @returns why a request may not even ask, in words for the log */
  refusal(request: IncomingMessage): string | undefined {
    const { host, origin } = request.headers;
    if (host === undefined || !this.hosts.includes(host)) return 'its Host is another';
    if (origin !== undefined && origin !== `http://${host}`) return 'its Origin is another';
    const isPlain =
      (request.method === 'GET' || request.method === 'HEAD') && request.headers.upgrade === undefined;
    if (origin === undefined && !isPlain) return 'it has no Origin';
    return undefined;
  }

  isToken(given: string): boolean {
    return isSame(given, this.token);
  }

  /** Value of `Set-Cookie` for who came with the token. */
  get setCookie(): string {
    return `${this.#cookie}=${this.#session}; Path=/; HttpOnly; SameSite=Strict`;
  }

  hasSession({ headers: { cookie = '' } }: IncomingMessage): boolean {
    const prefix = `${this.#cookie}=`;
    const given = cookie
      .split(';')
      .map((part) => part.trim())
      .find((part) => part.startsWith(prefix));
    return given !== undefined && isSame(given.slice(prefix.length), this.#session);
  }
}
