import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { declareScheme, pageServer } from '../../src/main/host/desktop/protocol.ts';
import { standInElectron } from './stand-in.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-page-'));
const page = join(folder, 'renderer');
const reportFile = join(folder, 'report.html');
const serve = pageServer(page, (download) => (download === 'known-1' ? reportFile : undefined));
const ask = (url: string, method = 'GET'): Promise<Response> => {
  // `Request` would tidy the address; Chromium may not.
  return serve({ url, method } as Request);
};

beforeAll(() => {
  mkdirSync(join(page, 'assets'), { recursive: true });
  writeFileSync(join(page, 'index.html'), '<!doctype html>the page');
  writeFileSync(join(page, 'assets/index-1.js'), 'export const one = 1;');
  writeFileSync(join(page, 'assets/grüße.svg'), '<svg/>');
  writeFileSync(join(folder, 'secret.json'), '"secret"');
  writeFileSync(reportFile, '<!doctype html>the report');
  symlinkSync(join(folder, 'secret.json'), join(page, 'link.json'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the page’s scheme', () => {
  it('is declared as one with an origin', () => {
    const { electron, schemes } = standInElectron();
    declareScheme(electron.protocol);
    expect(schemes).toEqual([
      { scheme: 'app', privileges: expect.objectContaining({ standard: true, secure: true }) },
    ]);
    expect(schemes[0]!.privileges).not.toHaveProperty('bypassCSP');
  });

  it.each([
    ['app://plumbline/index.html', 'text/html; charset=utf-8', '<!doctype html>the page'],
    ['app://plumbline/', 'text/html; charset=utf-8', '<!doctype html>the page'],
    ['app://plumbline/index.html?a=1', 'text/html; charset=utf-8', '<!doctype html>the page'],
    ['app://plumbline/assets/index-1.js', 'text/javascript; charset=utf-8', 'export const one = 1;'],
    ['app://plumbline/assets/gr%C3%BC%C3%9Fe.svg', 'image/svg+xml', '<svg/>'],
  ])('serves %s', async (url, type, body) => {
    const response = await ask(url);
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Type')).toBe(type);
    expect(await response.text()).toBe(body);
  });

  it.each([
    'app://plumbline/../secret.json',
    'app://plumbline/..%2fsecret.json',
    'app://plumbline/assets/..%2f..%2fsecret.json',
    'app://plumbline/%2e%2e/secret.json',
    'app://plumbline/..%5csecret.json',
    'app://plumbline//etc/passwd',
    'app://plumbline/%2fetc%2fhostname.json',
    'app://plumbline/link.json',
    'app://plumbline/index.html%00.json',
    'app://plumbline/%zz.html',
    'app://elsewhere/index.html',
    'file:///etc/hostname',
    'not an address',
    'app://plumbline/assets',
    'app://plumbline/missing.js',
    'app://plumbline/assets/index-1.ts',
  ])('refuses %s', async (url) => {
    const response = await ask(url);
    expect([400, 404]).toContain(response.status);
    expect(await response.text()).toBe('');
  });

  it('takes only reading', async () => {
    expect((await ask('app://plumbline/index.html', 'POST')).status).toBe(405);
    const head = await ask('app://plumbline/index.html', 'HEAD');
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('lets the page run its own files and nothing else', async () => {
    for (const url of ['app://plumbline/index.html', 'app://plumbline/missing.js']) {
      const { headers } = await ask(url);
      const policy = new Map(
        headers
          .get('Content-Security-Policy')!
          .split('; ')
          .map((rule) => {
            const [name, ...values] = rule.split(' ');
            return [name!, values] as const;
          }),
      );
      expect(policy.get('default-src')).toEqual(["'none'"]);
      expect(policy.get('script-src')).toEqual(["'self'"]);
      expect(policy.get('connect-src')).toEqual(["'self'"]);
      for (const name of ['base-uri', 'form-action', 'frame-ancestors'])
        expect(policy.get(name)).toEqual(["'none'"]);
      // Reports of ours, which have a policy of their own.
      expect(policy.get('frame-src')).toEqual(["'self'"]);
      // Where a list for workers, objects or media is missing, default-src counts.
      expect([...policy.keys()].filter((name) => /worker|object|media/.test(name))).toEqual([]);
      expect([...policy.values()].flat().some((value) => /unsafe-eval|\*|http/.test(value))).toBe(false);
      expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
    }
  });

  it('shows a report as an origin of its own that reaches nothing', async () => {
    const response = await ask('app://plumbline/view/known-1/report.html');
    expect([response.status, await response.text()]).toEqual([200, '<!doctype html>the report']);
    const rules = response.headers.get('Content-Security-Policy')!.split('; ');
    expect(rules).toContain('sandbox allow-scripts');
    expect(rules).toContain("default-src 'none'");
    expect(rules.join()).not.toMatch(/connect-src|allow-same-origin|http/);
    for (const url of [
      'view/other/report.html',
      'view/known-1/report.json',
      'view/../report.html',
      'view/known-1',
    ])
      expect((await ask(`app://plumbline/${url}`)).status, url).toBeGreaterThanOrEqual(400);
  });
});
