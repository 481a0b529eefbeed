import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { InputError } from '../../../shared/errors.ts';
import type { Bridge } from '../app/bridge.ts';
import { reportPolicy, viewedDownload } from '../app/report-view.ts';
import { answer, answerJson } from './respond.ts';

const longestName = 500;
/** How a page names a folder that is to be made for its first file. */
const newFolder = 'new:';

/**
 * `POST /files?name=…`: the body becomes a file; answers with its grant. With `folder=new:NAME` a folder of this name is
 * made for it, with `folder=ID` it is added to one: then the grant is the folder's. Where a person can mend what is wrong
 * the answer is 422 with the cause in plain text.
 */
export async function takeFile(
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
  { uploads, grants }: Bridge,
): Promise<void> {
  const name = query.get('name') ?? '';
  const folder = query.get('folder');
  if (name === '' || name.length + (folder?.length ?? 0) > longestName)
    return answer(request, response, 400, 'name the file');
  const length = request.headers['content-length'];
  const size = length === undefined ? undefined : Number(length);
  try {
    const grant =
      folder === null
        ? await uploads.receive(grants, name, request, size)
        : folder.startsWith(newFolder)
          ? await uploads.receiveFirst(grants, folder.slice(newFolder.length), name, request, size)
          : await uploads.receiveInto(grants, folder, name, request, size);
    answerJson(request, response, 200, grant);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    answer(request, response, 422, error.bareMessage);
  }
}

/** `GET /downloads/ID/NAME`: a file to keep, never one to show. */
export async function giveDownload(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  { downloads }: Bridge,
): Promise<void> {
  const [, id = ''] = /^\/downloads\/([\w-]{1,80})\/[^/]*$/.exec(path) ?? [];
  await give(request, response, downloads, id, (found) => ({
    'Content-Type': 'application/octet-stream',
    'Content-Length': found.bytes,
    'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(found.name)}`,
    'Cache-Control': 'no-store',
    // Should a browser show it all the same, it is nobody's.
    'Content-Security-Policy': 'sandbox',
  }));
}

/** `GET /view/ID/NAME.html`: a report, shown in a frame of the page. */
export async function showReport(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  { downloads }: Bridge,
): Promise<void> {
  await give(request, response, downloads, viewedDownload(path) ?? '', ({ bytes }) => ({
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': bytes,
    'Cache-Control': 'no-store',
    'Content-Security-Policy': reportPolicy,
    'X-Frame-Options': 'SAMEORIGIN',
  }));
}

type Found = ReturnType<Bridge['downloads']['require']>;

async function give(
  request: IncomingMessage,
  response: ServerResponse,
  downloads: Bridge['downloads'],
  id: string,
  headers: (found: Found) => Readonly<Record<string, string | number>>,
): Promise<void> {
  let found: Found;
  try {
    found = downloads.require(id);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return answer(request, response, 404, error.message);
  }
  response.writeHead(200, headers(found));
  if (request.method === 'HEAD') response.end();
  else await pipeline(createReadStream(found.path), response);
}
