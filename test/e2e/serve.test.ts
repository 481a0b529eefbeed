import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { largestMessage } from '../../src/shared/app/protocol.ts';
import type { FileGrant } from '../../src/shared/app/api.ts';
import type { Services } from '../../src/shared/contract.ts';
import { startWebHost } from '../../src/main/host/web/start.ts';
import type { WebHost } from '../../src/main/host/web/server.ts';
import { createServices } from '../../src/main/service/index.ts';
import { filesBelow, scratchFolder } from './support.ts';
import { originOf, Page, raw, signIn, upgradeStatus, writePage } from './web.ts';

const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
let services: Services;
let host: WebHost;
let cookie: string;
let origin: string;
const { page, secret } = writePage(folder);

beforeAll(async () => {
  services = await createServices({ home });
  host = await startWebHost({ services, home, port: 0, page });
  cookie = await signIn(host);
  origin = originOf(host);
});
afterAll(async () => {
  await host.close();
  await services.close();
  remove();
});

const hostLog = (): string => readFileSync(join(home, 'logs', 'host.log'), 'utf8');
const uploaded = (): string[] => filesBelow(join(home, 'uploads'));
const get = (path: string, headers: Record<string, string> = {}): ReturnType<typeof fetch> =>
  fetch(`${origin}${path}`, { headers, redirect: 'manual' });
const post = (path: string, body: string, headers: Record<string, string> = {}): ReturnType<typeof fetch> =>
  fetch(`${origin}${path}`, { method: 'POST', body, headers: { cookie, origin, ...headers } });

/** What a person does next works, whatever was done before. */
async function expectUnharmed(): Promise<void> {
  const next = await Page.open(host, cookie);
  expect(await next.call('listProjects', {})).toMatchObject({ projects: [{ name: 'default' }] });
  await next.close();
}

describe('who may come in', () => {
  it('lets in who has the token, by a cookie that no script reads and no other site sends', async () => {
    const { status, headers } = await fetch(host.address, { redirect: 'manual' });
    expect([status, headers.get('location')]).toEqual([303, '/']);
    const [value, ...flags] = headers.get('set-cookie')!.split('; ');
    expect(flags.sort()).toEqual(['HttpOnly', 'Path=/', 'SameSite=Strict']);
    // 256 bits each, and the one says nothing of the other.
    const token = new URL(host.address).searchParams.get('token')!;
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(Buffer.from(value!.split('=')[1]!, 'base64url')).toHaveLength(32);
    expect(value).not.toContain(token);
    expect(await (await get('/', { cookie: value! })).text()).toContain('<title>page</title>');
  });

  it('tells everybody else nothing', async () => {
    const token = new URL(host.address).searchParams.get('token')!;
    const wrong = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`;
    const name = cookie.split('=')[0]!;
    for (const [path, headers] of [
      ['/', {}],
      ['/assets/index-Ab12_-Zz.js', {}],
      ['/downloads/x/y', {}],
      ['/', { cookie: `${name}=` }],
      ['/', { cookie: `${name}=${token}` }],
      ['/', { cookie: cookie.slice(0, -1) }],
      ['/', { cookie: cookie.replace(name, 'plumbline-1') }],
      [`/?token=${wrong}`, {}],
      [`/?token=`, {}],
      [`/index.html?token=${token}`, {}],
    ] as const) {
      const answer = await get(path, headers);
      expect([path, headers, answer.status]).toEqual([path, headers, 403]);
      expect(await answer.text()).toBe('open the address that "plumbline serve" has printed\n');
      expect(answer.headers.get('set-cookie')).toBeNull();
    }
    expect((await post('/files?name=a', 'x', { cookie: '' })).status).toBe(403);
    expect(uploaded()).toEqual([]);
  });

  it.each([
    ['another name for this address (DNS rebinding)', 'Host: evil.example:PORT\r\n'],
    ['another port', 'Host: 127.0.0.1:1\r\n'],
    ['no port', 'Host: 127.0.0.1\r\n'],
    ['no host', ''],
    ['another Origin', 'Host: 127.0.0.1:PORT\r\nOrigin: http://evil.example\r\n'],
    ['a page of another port', 'Host: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:1\r\n'],
    ['the other name of this host', 'Host: 127.0.0.1:PORT\r\nOrigin: http://localhost:PORT\r\n'],
    ['an opaque Origin', 'Host: 127.0.0.1:PORT\r\nOrigin: null\r\n'],
  ])('refuses %s, with a session too', async (_, lines) => {
    const headers = `${lines.replaceAll('PORT', String(host.port))}Cookie: ${cookie}\r\nConnection: close\r\n`;
    for (const request of [`GET / HTTP/1.1\r\n`, `POST /files?name=a HTTP/1.1\r\nContent-Length: 1\r\n`]) {
      const { status, text } = await raw(host, `${request}${headers}\r\nx`);
      expect(status).toBe(403);
      expect(text).not.toContain('<title>');
    }
    const fields = Object.fromEntries(
      lines
        .replaceAll('PORT', String(host.port))
        .split('\r\n')
        .filter((line) => line !== '')
        .map((line) => line.split(': ') as [string, string]),
    );
    // ws names the host itself where nothing else is said.
    if (lines !== '') expect(await upgradeStatus(host, { cookie, ...fields })).toBe(403);
    expect(uploaded()).toEqual([]);
  });

  it('takes what changes something, and a WebSocket, only from its own page', async () => {
    const length = { 'Content-Length': '1' };
    const plain = Object.entries({ Host: `127.0.0.1:${host.port}`, Cookie: cookie, ...length })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('');
    expect((await raw(host, `POST /files?name=a HTTP/1.1\r\n${plain}\r\nx`)).status).toBe(403);
    expect(await upgradeStatus(host, { cookie })).toBe(403);
    expect(await upgradeStatus(host, { origin })).toBe(403);
    expect(await upgradeStatus(host, { origin, cookie })).toBe(101);
    const other = `http://localhost:${host.port}`;
    expect(await upgradeStatus(host, { host: `localhost:${host.port}`, origin: other, cookie })).toBe(101);
    await expectUnharmed();
  });

  it('says in every answer what a browser may do with it', async () => {
    for (const answer of [
      await get('/', { cookie }),
      await get('/'),
      await get('/nothing', { cookie }),
      await fetch(host.address, { redirect: 'manual' }),
      await post('/', 'x'),
    ]) {
      const policy = answer.headers.get('content-security-policy')!;
      const rules = new Map(
        policy
          .split('; ')
          .map((rule) => rule.split(' '))
          .map(([name, ...of]) => [name, of]),
      );
      expect(rules.get('default-src')).toEqual(["'none'"]);
      expect(rules.get('script-src')).toEqual(["'self'"]);
      expect(rules.get('frame-ancestors')).toEqual(["'none'"]);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
      });
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    }
  });

  it('writes refusals into its log, and never a token or a session', () => {
    const text = hostLog();
    expect(text).toContain('refused: its Host is another');
    expect(text).not.toContain(new URL(host.address).searchParams.get('token'));
    expect(text).not.toContain(cookie.split('=')[1]);
  });
});

describe('the page’s files', () => {
  it('are served with their types, those with a hash in their name for good', async () => {
    const index = await get('/', { cookie });
    expect(index.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(index.headers.get('cache-control')).toBe('no-store');
    const asset = await get('/assets/index-Ab12_-Zz.js', { cookie });
    expect(asset.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(asset.headers.get('cache-control')).toContain('immutable');
    const head = await fetch(`${origin}/`, { method: 'HEAD', headers: { cookie } });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it.each([
    '/../secret.js',
    '/assets/../../secret.js',
    '/%2e%2e/secret.js',
    '/..%2fsecret.js',
    '/assets/..%2f..%2fsecret.js',
    '/%2e%2e%2fsecret.js',
    '/%252e%252e%252fsecret.js',
    '/assets/..%5c..%5csecret.js',
    '/assets\\..\\..\\secret.js',
    '/assets/%c0%ae%c0%ae/%c0%ae%c0%ae/secret.js',
    '/assets/link-Ab12Cd34.js',
    '/assets/up/secret.js',
    '/.hidden.js',
    '/%2ehidden.js',
    '//etc/hosts',
    `/${encodeURIComponent('/etc/hosts')}`,
    '/index.html%00.js',
    '/assets',
    '/assets/',
    '*',
    'http://127.0.0.1/../secret.js',
  ])('are all that can be read: not %s', async (path) => {
    const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${host.port}\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`;
    const { status, text } = await raw(host, request);
    expect([400, 404]).toContain(status);
    expect(text).not.toContain(secret);
    expect(text.slice(text.indexOf('\r\n\r\n'))).not.toContain('localhost');
  });
});

describe('what is too much', () => {
  const megabyte = Buffer.alloc(1 << 20, 'x');
  /** Sends a body of 100 MB for as long as anybody takes it. @returns bytes that were taken */
  async function sendMuch(head: string): Promise<{ status: number; taken: number }> {
    let taken = 0;
    const { status } = await raw(host, (socket) => {
      socket.write(head, 'latin1');
      const more = (): void => {
        while (taken < 100 << 20 && !socket.destroyed) {
          taken += megabyte.length;
          if (!socket.write(megabyte)) return void socket.once('drain', more);
        }
        socket.end();
      };
      more();
    });
    return { status, taken };
  }

  it.each([
    '/',
    '/index.html',
    '/socket',
    '/downloads/x/y',
    '/assets/index-Ab12_-Zz.js',
    '/nothing',
    '/files',
  ])('is a body of 100 MB at %s', async (path) => {
    for (const method of ['POST', 'PUT', 'GET', 'DELETE']) {
      for (const session of [true, false]) {
        const lines = [
          `${method} ${path} HTTP/1.1`,
          `Host: 127.0.0.1:${host.port}`,
          `Origin: ${origin}`,
          ...(session ? [`Cookie: ${cookie}`] : []),
          `Content-Length: ${100 << 20}`,
        ];
        const { status, taken } = await sendMuch(`${lines.join('\r\n')}\r\n\r\n`);
        // Refused at the head: what the system's buffers had taken is all. Where the reset comes first there is no answer.
        expect([0, 200, 400, 403, 404, 405]).toContain(status);
        expect(taken).toBeLessThan(100 << 20);
      }
    }
    expect(uploaded()).toEqual([]);
    await expectUnharmed();
  });

  it('is a head of many kilobytes, or of many lines', async () => {
    const line = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${host.port}\r\n`;
    expect((await raw(host, `${line}X: ${'x'.repeat(20_000)}\r\n\r\n`)).status).toBe(400);
    const many = Array.from({ length: 500 }, (_, number) => `X-${number}: 1\r\n`).join('');
    expect([400, 403]).toContain((await raw(host, `${line}${many}\r\n`)).status);
    expect((await raw(host, 'nonsense\r\n\r\n')).status).toBe(400);
    await expectUnharmed();
  });

  it('is a message that is none, or too long: its page is closed, others go on', async () => {
    const bystander = await Page.open(host, cookie);
    const call = { kind: 'call', id: 1, method: 'listRuns', request: {} };
    for (const message of [
      '',
      '{',
      'null',
      '[]',
      '"call"',
      '{"kind":"call"}',
      JSON.stringify({ ...call, id: -1 }),
      JSON.stringify({ ...call, id: 1.5 }),
      JSON.stringify({ ...call, more: 1 }),
      JSON.stringify({ ...call, method: 7 }),
      '{"kind":"cancel","id":"1"}',
      `{"kind":"call","id":1,"method":"listRuns","request":${'['.repeat(200_000)}`,
      `"${'x'.repeat(largestMessage)}"`,
      Buffer.from('{}'),
      Buffer.alloc(100 << 20, 'x'),
    ]) {
      const bad = await Page.open(host, cookie);
      bad.socket.send(message, { binary: typeof message !== 'string' });
      await bad.closed;
    }
    expect(await bystander.call('listRuns', {})).toEqual({ runs: [] });
    await bystander.close();
  });

  it('is a call that fits no method: it is answered, and the page goes on', async () => {
    const asking = await Page.open(host, cookie);
    for (const [method, request] of [
      ['nothing', {}],
      ['toString', {}],
      ['__proto__', {}],
      ['constructor', {}],
      ['listRuns', null],
      ['listRuns', { limit: '1' }],
      ['listRuns', { more: true }],
      ['listRuns', { limit: 1e9 }],
      ['showRun', { run: 0.5 }],
      ['dataRows', { data: 'd', from: 0, limit: 501 }],
      ['addData', { file: '../x' }],
    ] as const) {
      const answer = asking.ask(method, request).answer;
      await expect(answer).rejects.toMatchObject({ error: { type: 'usage' } });
    }
    expect(await asking.call('listRuns', {})).toEqual({ runs: [] });
    await asking.close();
  });

  it('is more than 32 pages at a time', async () => {
    const pages = await Promise.all(Array.from({ length: 32 }, () => Page.open(host, cookie)));
    expect(await upgradeStatus(host, { cookie, origin })).toBe(503);
    await Promise.all(pages.map((each) => each.close()));
    await expectUnharmed();
  });

  it('is a page that does not read what it is sent', async () => {
    const row = { prompt: 'p', chosen: 'c'.repeat(1 << 20), rejected: 'r' };
    const grant = (await (await post('/files?name=long.jsonl', JSON.stringify(row))).json()) as FileGrant;
    const reader = await Page.open(host, cookie);
    await reader.call('addData', { file: grant.id, name: 'long' });
    const deaf = await Page.open(host, cookie);
    const raw = (deaf.socket as unknown as { _socket: Socket })._socket;
    raw.pause();
    for (let turn = 0; turn < 4; turn += 1) {
      for (let call = 0; call < 30; call += 1)
        deaf.call('showData', { data: 'long', row: 0 }).catch(() => undefined);
      // Others are answered meanwhile.
      await reader.call('showData', { data: 'long', row: 0 });
    }
    await expect.poll(hostLog, { timeout: 10_000 }).toContain('it does not read what it is sent');
    raw.resume();
    await deaf.closed;
    await reader.call('removeData', { data: 'long', yes: true });
    await reader.close();
  });

  it('is a thousand connections that say nothing, and heads that never end', async () => {
    const sockets: Socket[] = [];
    const began = performance.now();
    for (let batch = 0; batch < 20; batch += 1) {
      const opened = Array.from({ length: 50 }, () => {
        const socket = connect(host.port, '127.0.0.1');
        socket.on('error', () => undefined);
        return socket;
      });
      sockets.push(...opened);
      await Promise.all(opened.map((socket) => once(socket, 'connect')));
      // One in ten says a little, and ever a little more.
      for (const socket of opened.filter((_, place) => place % 10 === 0))
        socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${host.port}\r\n`);
    }
    const drip = setInterval(() => {
      for (const socket of sockets) if (socket.writable && socket.bytesWritten > 0) socket.write('X: 1\r\n');
    }, 500);
    const ends = sockets.map((socket) => new Promise((resolve) => socket.resume().on('close', resolve)));
    await Promise.all(ends.filter((_, place) => !sockets[place]!.closed));
    clearInterval(drip);
    expect(performance.now() - began).toBeLessThan(20_000);
    await expectUnharmed();
  }, 60_000);
});

it('says what is missing where the page was not built, or the port is taken', async () => {
  const start = (more: object): Promise<WebHost> =>
    startWebHost({ services, home: join(folder, 'other'), port: 0, page, ...more });
  await expect(start({ page: join(folder, 'nothing') })).rejects.toThrow(/not built; run "npm run build"/);
  await expect(start({ port: host.port })).rejects.toThrow(`port ${host.port} is taken`);
});
