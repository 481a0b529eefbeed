import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startDesktop } from '../../src/main/host/desktop/app.ts';
import { openStore } from '../../src/main/store/database.ts';
import { checkpointPath } from '../../src/main/training/checkpoint.ts';
import type { FileGrant, MethodName, RequestOf, ResultOf } from '../../src/shared/app/api.ts';
import { channels } from '../../src/shared/app/desktop.ts';
import type { HostMessage } from '../../src/shared/app/protocol.ts';
import { StandInFrame, standInElectron, type StandIn, type StandInPort } from './stand-in.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-desktop-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
const repository = fileURLToPath(new URL('../../', import.meta.url));
const example = join(repository, 'resources/example');

beforeAll(() => {
  if (!existsSync(join(repository, 'dist/renderer/index.html')))
    throw new Error('the page is not built: run "npm run build" first');
});

async function start(name: string, host = standInElectron(), patience?: number) {
  const home = at(name);
  const logged: string[] = [];
  await startDesktop(host.electron, {
    home,
    page: join(repository, 'dist/renderer'),
    preload: join(repository, 'dist/preload/preload.cjs'),
    log: (text) => void logged.push(text),
    ...(patience === undefined ? {} : { patience }),
  });
  return { host, home, logged };
}

/** What stands on the page's side of the port. */
class Page {
  readonly #port: StandInPort;
  readonly heard: HostMessage[] = [];
  closed = false;
  #id = 0;
  #listeners: (() => void)[] = [];

  constructor(port: StandInPort) {
    this.#port = port;
    port.on('message', ({ data }: { data: HostMessage }) => {
      this.heard.push(data);
      this.#listeners.forEach((listener) => listener());
    });
    port.on('close', () => {
      this.closed = true;
      this.#listeners.forEach((listener) => listener());
    });
    port.start();
  }
  post(message: unknown): void {
    this.#port.postMessage(message);
  }
  async until<Found>(find: () => Found | undefined | false): Promise<Found> {
    for (;;) {
      const found = find();
      if (found) return found;
      await new Promise<void>((resolve) => (this.#listeners = [resolve]));
    }
  }
  async call<Method extends MethodName>(
    method: Method,
    request: RequestOf<Method>,
  ): Promise<ResultOf<Method>> {
    const id = ++this.#id;
    this.post({ kind: 'call', id, method, request });
    const answer = await this.until(() =>
      this.heard.find((each) => (each.kind === 'result' || each.kind === 'failed') && each.id === id),
    );
    if (answer.kind === 'result') return answer.result as ResultOf<Method>;
    throw new Error(answer.kind === 'failed' ? `${answer.error.type}: ${answer.error.message}` : 'no answer');
  }
}

const event = (host: StandIn, changes: object = {}) => {
  const { webContents } = host.window();
  return { sender: webContents, senderFrame: webContents.mainFrame, ...changes };
};
function connect(host: StandIn): Page {
  host.ipcMain.emit(channels.connect, event(host));
  return new Page(host.window().webContents.mainFrame.received.at(-1)!.ports[0]!);
}
async function quit(host: StandIn): Promise<number> {
  host.app.quit();
  return host.app.over;
}
const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('the desktop program', () => {
  it('opens its window on the page it serves, and quits', async () => {
    const { host, home } = await start('opens');
    const served = host.session.served.get('app')!;
    const page = await served(new Request('app://plumbline/index.html'));
    const script = /src="\.\/(assets\/[^"]+\.js)"/.exec(await page.text())![1]!;
    expect((await served(new Request(`app://plumbline/${script}`))).status).toBe(200);
    expect(host.window().webContents.mainFrame.url).toBe('app://plumbline/index.html');
    expect(host.app.paths['userData']).toBe(join(home, 'browser'));
    expect(host.session.permissionRequest).not.toBeNull();
    expect(await quit(host)).toBe(0);
  });

  it('is opened once for a home: a second start shows the first one’s window', async () => {
    const { host } = await start('once');
    host.window().minimized = true;
    host.window().focused = false;
    host.app.emit('second-instance');
    expect([host.window().minimized, host.window().focused]).toEqual([false, true]);
    await quit(host);
    const second = standInElectron();
    second.app.isFirst = false;
    await start('once', second);
    expect(second.window()).toBeUndefined();
    expect(await second.app.over).toBe(0);
  });

  it('quits when its window is closed, where programs do', async () => {
    const { host } = await start('closes');
    host.window().close();
    host.app.emit('window-all-closed');
    if (process.platform === 'darwin') host.app.quit();
    expect(await host.app.over).toBe(0);
  });

  it('answers the page over its port, and checks what it says', async () => {
    const { host } = await start('answers');
    const page = connect(host);
    expect(await page.call('appInfo', {})).toMatchObject({ host: 'desktop', firstStart: true });
    await expect(page.call('dataRows', { data: 'x', from: 0, limit: 501 })).rejects.toThrow(
      /^usage: dataRows/,
    );
    await expect(page.call('constructor' as MethodName, {} as never)).rejects.toThrow(/^usage: /);
    // A name is no path, also where one of that name lies on the disk.
    await expect(page.call('showData', { data: join(example, 'train.jsonl') })).rejects.toThrow(/^input: /);
    page.post('no message');
    await page.until(() => page.closed);
    await quit(host);
  });

  it('hands no port and no grant to anything but the page', async () => {
    const { host } = await start('refuses');
    const file = join(example, 'train.jsonl');
    const grant = host.ipcMain.handlers.get(channels.grantDropped)!;
    for (const changes of [
      { senderFrame: null },
      { senderFrame: new StandInFrame('app://plumbline/index.html') },
      { sender: {} },
    ]) {
      host.ipcMain.emit(channels.connect, event(host, changes));
      await expect(grant(event(host, changes) as never, file)).rejects.toThrow('refused');
    }
    host.window().webContents.mainFrame.url = 'https://example.com/';
    host.window().webContents.mainFrame.origin = 'https://example.com';
    host.ipcMain.emit(channels.connect, event(host));
    await expect(grant(event(host) as never, file)).rejects.toThrow('refused');
    expect(host.window().webContents.mainFrame.received).toEqual([]);
    await quit(host);
  });

  it('lets a page that was loaded anew take the place of the one before', async () => {
    const { host } = await start('anew');
    const before = connect(host);
    const after = connect(host);
    await before.until(() => before.closed);
    expect(await after.call('listProjects', {})).toBeDefined();
    await quit(host);
    await after.until(() => after.closed);
  });

  it('reads what a person drops or chooses, and writes where they say, without telling a path', async () => {
    const { host } = await start('files');
    const page = connect(host);
    const grant = host.ipcMain.handlers.get(channels.grantDropped)!;
    const dropped = (await grant(event(host) as never, join(example, 'train.jsonl'))) as FileGrant;
    expect(dropped).toMatchObject({ name: 'train.jsonl', kind: 'file' });
    expect(JSON.stringify(dropped)).not.toContain(example);
    expect(await grant(event(host) as never, 'relative.jsonl')).toBeUndefined();
    expect(await grant(event(host) as never, { toString: () => '/etc/hostname' })).toBeUndefined();
    const { dataset } = await page.call('addData', { file: dropped.id, name: 'sums' });
    expect(dataset.name).toBe('sums');

    expect((await page.call('pickFiles', { purpose: 'data' })).files).toEqual([]);
    host.dialog.chosen = [join(example, 'model')];
    const { files } = await page.call('pickFiles', { purpose: 'model-folder' });
    expect(host.dialog.openOptions.at(-1)!.properties).toEqual(['openDirectory']);
    const { model } = await page.call('addModel', { file: files[0]!.id, name: 'small' });
    expect(model.name).toBe('small');

    const download = await page.call('diagnostics', {});
    expect((await page.call('saveDownload', { download: download.id })).saved).toBe(false);
    host.dialog.target = at('saved');
    expect((await page.call('saveDownload', { download: download.id })).saved).toBe(true);
    expect(statSync(at('saved')).size).toBe(download.bytes);
    host.dialog.target = join(at('missing-folder'), 'saved.jsonl');
    await expect(page.call('saveDownload', { download: download.id })).rejects.toThrow(/cannot be written/);
    await quit(host);
  });
});

describe('a playground', () => {
  it('generates in a utility process, which ends with the program', async () => {
    const { host } = await start('plays');
    const page = connect(host);
    host.dialog.chosen = [join(example, 'model')];
    const { files } = await page.call('pickFiles', { purpose: 'model-folder' });
    await page.call('addModel', { file: files[0]!.id, name: 'small' });
    const asked = { chat: false, maxTokens: 8, temperature: 0, topP: 1, seed: 0 } as const;
    const { text, tokens } = await page.call('generateText', {
      policy: { model: 'small' },
      prompt: 'Tom has 3 apples.',
      ...asked,
    });
    expect(tokens).toBeGreaterThan(0);
    const pieces = page.heard.flatMap((each) => (each.kind === 'piece' ? [each.piece.text] : []));
    expect(pieces.join('')).toBe(text);
    const pid = host.utilities.at(-1)!.pid!;
    expect(isThere(pid)).toBe(true);
    expect(await quit(host)).toBe(0);
    expect(isThere(pid)).toBe(false);
  });
});

/** A training that would take hours, at work. */
async function training(name: string, patience?: number) {
  const started = await start(name, standInElectron(), patience);
  const { host } = started;
  const page = connect(host);
  host.dialog.chosen = [join(example, 'model')];
  const [model] = (await page.call('pickFiles', { purpose: 'model-folder' })).files;
  await page.call('addModel', { file: model!.id, name: 'small' });
  host.dialog.chosen = [join(example, 'train.jsonl')];
  const [data] = (await page.call('pickFiles', { purpose: 'data' })).files;
  await page.call('addData', { file: data!.id, name: 'sums' });
  const config = { loss: 'dpo', beta: 0.1, steps: 5000, batchSize: 2, threads: 1, seed: 1 } as const;
  const work = { kind: 'training', request: { model: 'small', data: 'sums', pairs: 16, config } } as const;
  const { runs } = await page.call('startWork', { work, begin: true });
  await page.until(() =>
    page.heard.some((each) => each.kind === 'runs' && each.runs.some(({ step }) => step >= 2)),
  );
  const pid = host.utilities.at(-1)!.pid!;
  expect(isThere(pid)).toBe(true);
  return { ...started, page, run: runs[0]!, pid };
}

describe('quitting while a run is at work', () => {
  it('waits for its checkpoint and leaves no process', async () => {
    const { host, home, run, pid } = await training('checkpoint');
    // Told a few times a second, not with every step.
    await vi.waitFor(() => expect(host.window().progress.at(-1)).toBeGreaterThan(0), { timeout: 10_000 });
    host.app.quit();
    // Impatient people press twice.
    host.app.quit();
    expect(host.window().shown).toBe(false);
    // The page finds its port closed and asks again.
    const { received } = host.window().webContents.mainFrame;
    host.ipcMain.emit(channels.connect, event(host));
    expect(received).toHaveLength(1);
    expect(await host.app.over).toBe(0);
    expect(host.utilities.map(({ pid: left }) => left)).toEqual(host.utilities.map(() => undefined));
    expect(isThere(pid)).toBe(false);
    const store = openStore(join(home, 'plumbline.db'));
    expect(store.runs.get(run)!.status).toBe('interrupted');
    const last = store.checkpoints.listOfRun(run).at(-1)!;
    expect(last.step).toBeGreaterThanOrEqual(2);
    expect(existsSync(checkpointPath(join(home, 'checkpoints'), last.sha256))).toBe(true);
    store.close();

    // And it can go on from there.
    const again = await start('checkpoint');
    const page = connect(again.host);
    await page.call('resumeRun', { run });
    await page.until(() =>
      page.heard.some(
        (each) =>
          each.kind === 'runs' && each.runs.some((one) => one.status === 'running' && one.step > last.step),
      ),
    );
    expect(await quit(again.host)).toBe(0);
  });

  it('kills what does not end in time', async () => {
    const { host, home, run, pid } = await training('impatient', 1);
    // It cannot hear: as where a step takes minutes.
    process.kill(pid, 'SIGSTOP');
    expect(await quit(host)).toBe(0);
    expect(isThere(pid)).toBe(false);
    const store = openStore(join(home, 'plumbline.db'));
    expect(['failed', 'interrupted', 'running']).toContain(store.runs.get(run)!.status);
    store.close();
  });

  it('is not kept from by a record that cannot be written', async () => {
    const { host, home, pid } = await training('unwritable', 2000);
    rmSync(join(home, 'checkpoints'), { recursive: true, force: true });
    writeFileSync(join(home, 'checkpoints'), 'no folder');
    expect(await quit(host)).toBe(0);
    expect(isThere(pid)).toBe(false);
  });
});
