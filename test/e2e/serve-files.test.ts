import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Download, FileGrant } from '../../src/shared/app/api.ts';
import type { Services } from '../../src/shared/contract.ts';
import { startWebHost } from '../../src/main/host/web/start.ts';
import type { WebHost } from '../../src/main/host/web/server.ts';
import { createServices } from '../../src/main/service/index.ts';
import { filesBelow, scratchFolder, sums } from './support.ts';
import { originOf, Page, raw, signIn, writePage, type Refused } from './web.ts';

const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
let services: Services;
let host: WebHost;
let cookie: string;
let origin: string;
const { page } = writePage(folder);

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

const uploaded = (): string[] => filesBelow(join(home, 'uploads'));
const post = (path: string, body: string): ReturnType<typeof fetch> =>
  fetch(`${origin}${path}`, { method: 'POST', body, headers: { cookie, origin } });

describe('uploads and downloads', () => {
  it('take a file in under a plain name, and give it back on request', async () => {
    const text = sums(3)
      .map((row) => JSON.stringify(row))
      .join('\n');
    const name = '../../..\\etc/a<b>:\u0007.jsonl';
    const grant = (await (await post(`/files?name=${encodeURIComponent(name)}`, text)).json()) as FileGrant;
    expect(grant).toEqual({
      id: grant.id,
      name: 'a_b___.jsonl',
      kind: 'file',
      bytes: Buffer.byteLength(text),
    });
    expect(uploaded()).toHaveLength(1);
    const asking = await Page.open(host, cookie);
    expect(await asking.call('checkData', { file: grant.id })).toMatchObject({ pairs: 3, format: 'trl' });
    expect(await asking.call('dropFile', { file: grant.id })).toEqual({});
    expect(uploaded()).toEqual([]);
    await expect(asking.call('checkData', { file: grant.id })).rejects.toMatchObject({
      error: { type: 'input', message: 'this file is no longer at hand; choose it again' },
    });
    await asking.close();
  });

  it('name a bad row by the file’s own name, and keep the file for another try', async () => {
    const grant = (await (await post('/files?name=pairs.jsonl', '{"prompt": 1}\n')).json()) as FileGrant;
    const asking = await Page.open(host, cookie);
    const failure = await asking.call('addData', { file: grant.id }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ error: { type: 'input', file: 'pairs.jsonl' } });
    expect((failure as Refused).message).not.toContain(home);
    expect(uploaded()).toHaveLength(1);
    await asking.call('dropFile', { file: grant.id });
    await asking.close();
  });

  it('take a folder in file by file, with plain names only', async () => {
    const first = await post('/files?name=config.json&folder=new:my%20model', '{}');
    const folder = (await first.json()) as FileGrant;
    expect(folder).toMatchObject({ name: 'my model', kind: 'folder', bytes: 2 });
    const second = await post(`/files?name=model.safetensors&folder=${folder.id}`, 'weights');
    expect(await second.json()).toEqual({ ...folder, bytes: 9 });
    for (const name of ['../x', 'a/b', '..', '.', 'a\\b', 'nul', '.hidden', 'config.json', 'x'.repeat(400)]) {
      const refused = await post(`/files?name=${encodeURIComponent(name)}&folder=${folder.id}`, 'x');
      expect([name, refused.status]).toEqual([name, 422]);
    }
    expect((await post('/files?name=a&folder=nothing', 'x')).status).toBe(422);
    expect((await post('/files?name=..&folder=new:other', 'x')).status).toBe(422);
    expect(uploaded().map((path) => path.split('/').slice(2).join('/'))).toEqual([
      'my model/config.json',
      'my model/model.safetensors',
    ]);
    const asking = await Page.open(host, cookie);
    await asking.call('dropFile', { file: folder.id });
    expect(uploaded()).toEqual([]);
    await asking.close();
  });

  it('leave nothing of an upload that ends half-way, or is larger than any may be', async () => {
    const head = (length: number, query = ''): string =>
      [
        `POST /files?name=a.jsonl${query} HTTP/1.1`,
        `Host: 127.0.0.1:${host.port}`,
        `Origin: ${origin}`,
        `Cookie: ${cookie}`,
        `Content-Length: ${length}`,
        '',
        '',
      ].join('\r\n');
    const parts: number[] = [];
    for (const query of ['', '&folder=new:m']) {
      await raw(host, async (socket) => {
        socket.write(head(1 << 20, query));
        socket.write('x'.repeat(1 << 19));
        await sleep(300);
        parts.push(uploaded().length);
        socket.destroy();
      });
      await expect.poll(uploaded).toEqual([]);
    }
    // It had begun.
    expect(parts).toEqual([1, 1]);
    const { status, text } = await raw(host, head(65e9));
    expect(status).toBe(422);
    expect(text).toContain('is larger than');
    const own = readdirSync(join(home, 'uploads'));
    expect(readdirSync(join(home, 'uploads', own[0]!))).toEqual([]);
  });

  it('give a file away to keep, once it was made', async () => {
    const asking = await Page.open(host, cookie);
    const download: Download = await asking.call('diagnostics', {});
    const answer = await fetch(`${origin}/downloads/${download.id}/${download.name}`, {
      headers: { cookie },
    });
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment; /);
    expect(answer.headers.get('content-security-policy')).toBe('sandbox');
    const bytes = Buffer.from(await answer.arrayBuffer());
    expect(bytes.length).toBe(download.bytes);
    // The magic number of gzip.
    expect([...bytes.subarray(0, 2)]).toEqual([0x1f, 0x8b]);
    for (const path of [
      `/downloads/x/${download.name}`,
      `/downloads/${download.id}/..%2f..%2fx/y`,
      '/downloads/',
    ])
      expect((await fetch(`${origin}${path}`, { headers: { cookie } })).status).toBe(404);
    await expect(asking.call('pickFiles', { purpose: 'data' })).rejects.toMatchObject({
      error: { type: 'usage' },
    });
    await asking.close();
  });
});
