import type { IpcMainEvent, BrowserWindow } from 'electron';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  guardContents,
  guardSession,
  isFromPage,
  outsideOpener,
} from '../../src/main/host/desktop/security.ts';
import { openWindow } from '../../src/main/host/desktop/window.ts';
import { preventable, StandInFrame, standInElectron, type StandIn } from './stand-in.ts';

let host: StandIn;
beforeEach(() => (host = standInElectron()));

/** What a window needs to exist, guarded as the program guards it. */
function opened(): BrowserWindow {
  const openOutside = outsideOpener(host.electron, () => undefined);
  guardContents(host.electron.app, (url) => void openOutside(url));
  return openWindow(host.electron, { home: '/nowhere', preload: '/preload.cjs' });
}
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe('the session', () => {
  const origin = 'app://plumbline';
  const asks = (permission: string, url: string): boolean => {
    let answer: boolean | undefined;
    host.session.permissionRequest!({} as never, permission as never, (granted) => (answer = granted), {
      requestingUrl: url,
    } as never);
    const checked = host.session.permissionCheck!(null, permission as never, new URL(url).href, {} as never);
    expect(checked).toBe(answer);
    return answer!;
  };
  beforeEach(() => guardSession(host.electron.session.defaultSession));

  it.each([
    'media',
    'geolocation',
    'notifications',
    'clipboard-read',
    'fullscreen',
    'openExternal',
    'fileSystem',
    'hid',
    'display-capture',
  ])('grants no %s, not even to the page', (permission) => {
    expect(asks(permission, `${origin}/index.html`)).toBe(false);
  });

  it('lets only the page put text on the clipboard', () => {
    expect(asks('clipboard-sanitized-write', `${origin}/index.html`)).toBe(true);
    expect(asks('clipboard-sanitized-write', 'https://example.com/')).toBe(false);
    expect(asks('clipboard-sanitized-write', 'app://plumbline.example/')).toBe(false);
  });

  it('grants no device', () => {
    expect(host.session.device!({} as never)).toBe(false);
  });

  it.each([
    ['app://plumbline/assets/index.js', false],
    ['blob:app://plumbline/5f0c', false],
    ['data:image/png;base64,AA==', false],
    ['https://example.com/', true],
    ['http://127.0.0.1:8080/', true],
    ['ws://127.0.0.1:8080/', true],
    ['file:///etc/hostname', true],
    ['app://plumbline.example/', true],
  ])('a request for %s is cancelled: %s', (url, cancelled) => {
    let answer: boolean | undefined;
    host.session.beforeRequest!({ url } as never, ({ cancel }) => (answer = cancel));
    expect(answer).toBe(cancelled);
  });

  it.each([
    ['blob:app://plumbline/5f0c', false],
    ['https://example.com/a.exe', true],
  ])('a download of %s is refused: %s', (url, refused) => {
    const event = preventable({});
    host.session.emit('will-download', event, { getURL: () => url });
    expect(event.defaultPrevented).toBe(refused);
  });
});

describe('the window', () => {
  it('is opened in a sandbox, apart from Node', () => {
    opened();
    expect(host.window().options.webPreferences).toMatchObject({
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      webviewTag: false,
      preload: '/preload.cjs',
    });
  });

  it.each(['will-navigate', 'will-frame-navigate', 'will-redirect', 'will-attach-webview'])(
    'prevents %s',
    (name) => {
      opened();
      for (const url of ['https://example.com/', 'file:///etc/hostname', 'app://plumbline/other.html']) {
        const event = preventable({ url });
        host.window().webContents.emit(name, event);
        expect(event.defaultPrevented).toBe(true);
      }
    },
  );

  it('lets a frame show a report of ours, and the page itself nothing else', () => {
    opened();
    const url = 'app://plumbline/view/a-1/report.html';
    for (const isMainFrame of [false, true]) {
      const event = preventable({ url, isMainFrame });
      host.window().webContents.emit('will-frame-navigate', event);
      expect(event.defaultPrevented).toBe(isMainFrame);
    }
  });

  it('opens no other window', () => {
    opened();
    for (const url of ['https://example.com/', 'about:blank', 'app://plumbline/index.html'])
      expect(host.window().webContents.openHandler!({ url } as never)).toEqual({ action: 'deny' });
  });
});

describe('an address outside', () => {
  const follow = async (url: string): Promise<void> => {
    host.window().webContents.openHandler!({ url } as never);
    await settled();
  };

  it('is opened in the browser once the person says so', async () => {
    opened();
    host.dialog.answer = 1;
    await follow('https://arxiv.org/abs/2305.18290');
    expect(host.opened).toEqual([]);
    host.dialog.answer = 0;
    await follow('https://arxiv.org/abs/2305.18290');
    expect(host.opened).toEqual(['https://arxiv.org/abs/2305.18290']);
    expect(host.dialog.asked.map(({ detail }) => detail)).toEqual([
      'https://arxiv.org/abs/2305.18290',
      'https://arxiv.org/abs/2305.18290',
    ]);
    // Return must not open what was not looked at.
    expect(host.dialog.asked[0]).toMatchObject({ defaultId: 1, cancelId: 1 });
  });

  it.each([
    'http://example.com/',
    'file:///etc/hostname',
    'javascript:alert(1)',
    'ms-msdt:/id',
    'https://user:password@example.com/',
    'not an address',
  ])('is not even asked about where it is %s', async (url) => {
    opened();
    host.dialog.answer = 0;
    await follow(url);
    expect(host.dialog.asked).toEqual([]);
    expect(host.opened).toEqual([]);
  });
});

describe('a message', () => {
  const from = (changes: Partial<Record<keyof IpcMainEvent, unknown>>): IpcMainEvent => {
    const { webContents } = host.window();
    return { sender: webContents, senderFrame: webContents.mainFrame, ...changes } as IpcMainEvent;
  };

  it('is the page’s only from its top frame at its origin', () => {
    const window = opened();
    expect(isFromPage(from({}), window)).toBe(true);
    expect(isFromPage(from({}), undefined)).toBe(false);
    expect(isFromPage(from({ senderFrame: null }), window)).toBe(false);
    expect(isFromPage(from({ senderFrame: new StandInFrame('app://plumbline/index.html') }), window)).toBe(
      false,
    );
    expect(isFromPage(from({ sender: {} }), window)).toBe(false);
    for (const url of ['https://example.com/', 'app://plumbline.example/', 'file:///page/index.html']) {
      host.window().webContents.mainFrame = new StandInFrame(url);
      expect(isFromPage(from({}), window)).toBe(false);
    }
    host.window().webContents.mainFrame = new StandInFrame('app://plumbline/index.html');
    host.window().close();
    expect(isFromPage(from({}), window)).toBe(false);
  });
});
