import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { answer } from './respond.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
};

/** Vite puts a hash of their content into the names of these. */
const isHashed = (path: string): boolean => /^\/assets\/.+-[\w-]{8}\.\w+$/.test(path);

/** Each part a plain name: no `..`, no hidden file, nothing that any file system reads as more than a name. */
const plainPath = /^(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+$/;

/**
 * Serves the built page's files and nothing else.
 * @param folder whose real path is known
 * @param path of the address, as it stands there: an encoded character occurs in none of these files' names
 */
export async function servePageFile(
  request: IncomingMessage,
  response: ServerResponse,
  folder: string,
  path: string,
): Promise<void> {
  const type = types[extname(path === '/' ? 'index.html' : path)];
  const file = path === '/' ? join(folder, 'index.html') : join(folder, ...path.split('/'));
  const isPlain = path === '/' || plainPath.test(path);
  const found = isPlain && type !== undefined ? await fileInside(folder, file) : undefined;
  if (found === undefined) return answer(request, response, 404, 'there is nothing here');
  response.writeHead(200, {
    'Content-Type': type,
    'Content-Length': found.size,
    'Cache-Control': isHashed(path) ? 'private, max-age=31536000, immutable' : 'no-store',
  });
  if (request.method === 'HEAD') response.end();
  else await pipeline(createReadStream(found.path), response);
}

/** A regular file below a folder, also where links are followed. */
async function fileInside(
  folder: string,
  file: string,
): Promise<{ readonly path: string; readonly size: number } | undefined> {
  try {
    const path = await realpath(file);
    const status = await stat(path);
    return path.startsWith(folder + sep) && status.isFile() ? { path, size: status.size } : undefined;
  } catch {
    return undefined;
  }
}
