import type { Download, FileGrant } from '../../shared/app/api.ts';
import { call, CallFailed } from './client.svelte.ts';

/** The page is the desktop app's. */
export const isDesktop = window.plumbline !== undefined;

export interface UploadOptions {
  readonly onProgress?: (sent: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Lets the program read a file: by its place on the desktop, as an upload over loopback. @throws CallFailed */
export async function grantFile(file: File, options: UploadOptions = {}): Promise<FileGrant> {
  const dropped = await window.plumbline?.grantDropped(file);
  return dropped ?? upload(file, new URLSearchParams({ name: file.name }), options);
}

/** As `grantFile`, for the files of one folder (a model). @throws CallFailed */
export async function grantFolder(
  files: readonly File[],
  { onProgress, signal }: UploadOptions = {},
): Promise<FileGrant> {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  let folder: FileGrant | undefined;
  for (const file of files) {
    const query = new URLSearchParams({
      name: file.name,
      folder: folder?.id ?? `new:${file.webkitRelativePath.split('/')[0] ?? 'model'}`,
    });
    const sentBefore = before;
    folder = await upload(file, query, {
      onProgress: (sent) => onProgress?.(sentBefore + sent, total),
      ...(signal ? { signal } : {}),
    });
    before += file.size;
  }
  if (!folder) throw new CallFailed({ type: 'input', message: 'the folder is empty' });
  return folder;
}

function upload(
  file: File,
  query: URLSearchParams,
  { onProgress, signal }: UploadOptions,
): Promise<FileGrant> {
  return new Promise((resolve, reject) => {
    const fail = (message: string, type: CallFailed['type'] = 'input'): void =>
      reject(new CallFailed({ type, message: `${file.name}: ${message}`, file: file.name }));
    // fetch cannot tell how much of a body was sent.
    const request = new XMLHttpRequest();
    request.open('POST', `/files?${query}`);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.onprogress = ({ loaded, total }) => onProgress?.(loaded, total);
    request.onload = () =>
      request.status === 200
        ? resolve(JSON.parse(request.responseText) as FileGrant)
        : fail(request.responseText || `refused (${request.status})`);
    request.onerror = () => fail('the connection was lost', 'disconnected');
    request.onabort = () => fail('stopped', 'cancelled');
    signal?.addEventListener('abort', () => request.abort(), { once: true });
    request.send(file);
  });
}

/** Where a browser fetches a download. */
export function downloadAddress({ id, name }: Download): string {
  return `/downloads/${id}/${encodeURIComponent(name)}`;
}

/** Where a report can be looked at in a frame: the host gives it rights of its own, which are next to none. */
export function viewAddress({ id, name }: Download): string {
  return `/view/${id}/${encodeURIComponent(name)}`;
}

/** Hands a file of the host's to the person. @returns false where they thought better of it */
export async function save(download: Download): Promise<boolean> {
  if (isDesktop) return (await call('saveDownload', { download: download.id })).saved;
  saveAs(downloadAddress(download), download.name);
  return true;
}

/** Hands over something that the page has made itself. */
export function saveBlob(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  saveAs(address, name);
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function saveAs(address: string, name: string): void {
  Object.assign(document.createElement('a'), { href: address, download: name }).click();
}
