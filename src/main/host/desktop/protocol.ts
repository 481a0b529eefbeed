import { readFile, realpath } from 'node:fs/promises';
import { extname, isAbsolute, join, relative } from 'node:path';
import type { Protocol } from 'electron';
import { reportPolicy, viewedDownload } from '../app/report-view.ts';

/** Where the page stands: a scheme of our own, so that it has an origin and no server. */
export const scheme = 'app';
export const pageOrigin = `${scheme}://plumbline`;
export const pageAddress = `${pageOrigin}/index.html`;

/**
 * What the page may do: run its own files and nothing else. Styles may stand on elements, where the positions of lists and
 * menus are; nothing goes to any network.
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const headers = {
  'Content-Security-Policy': contentSecurityPolicy,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-cache',
};

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
};

/** Makes the scheme one with origins and `fetch`, like https. To be called before Electron is ready. */
export function declareScheme(protocol: Pick<Protocol, 'registerSchemesAsPrivileged'>): void {
  const privileges = { standard: true, secure: true, supportFetchAPI: true, codeCache: true };
  protocol.registerSchemesAsPrivileged([{ scheme, privileges }]);
}

/**
 * Answers requests for the page's files, and for reports that it shows in a frame.
 * @param folder the built page
 * @param reportFile the file of a download, undefined where there is none
 * @returns 200 with the file; 400, 404 or 405 with an empty body for anything else
 */
export function pageServer(
  folder: string,
  reportFile: (download: string) => string | undefined = () => undefined,
): (request: Request) => Promise<Response> {
  return async ({ url, method }) => {
    if (method !== 'GET' && method !== 'HEAD') return refuse(405);
    const path = pathOf(url);
    if (path === undefined) return refuse(400);
    const report = viewedDownload(`/${path}`);
    if (report !== undefined) return showReport(reportFile(report));
    const type = types[extname(path)];
    if (type === undefined) return refuse(404);
    try {
      const root = await realpath(folder);
      const file = await realpath(join(root, path));
      // Neither dots nor links lead out.
      const inside = relative(root, file);
      if (inside === '' || inside.startsWith('..') || isAbsolute(inside)) return refuse(404);
      const body = method === 'HEAD' ? null : new Uint8Array(await readFile(file));
      return new Response(body, { headers: { ...headers, 'Content-Type': type } });
    } catch {
      return refuse(404);
    }
  };
}

async function showReport(file: string | undefined): Promise<Response> {
  if (file === undefined) return refuse(404);
  return new Response(new Uint8Array(await readFile(file)), {
    headers: { ...headers, 'Content-Type': types['.html']!, 'Content-Security-Policy': reportPolicy },
  });
}

const refuse = (status: number): Response => new Response(null, { status, headers });

/** The path of an address of ours below the page's folder; undefined for what none can be. */
function pathOf(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined;
  const { protocol, host, pathname } = new URL(address);
  if (protocol !== `${scheme}:` || host !== 'plumbline') return undefined;
  let path: string;
  try {
    path = decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
  if (/[\0\\]/.test(path) || path.split('/').includes('..')) return undefined;
  return path === '/' || path === '' ? 'index.html' : path.slice(1);
}
