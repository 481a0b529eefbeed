import type { App, BrowserWindow, IpcMainEvent, IpcMainInvokeEvent, Session, WebContents } from 'electron';
import type { ElectronParts } from './electron.ts';
import { pageOrigin } from './protocol.ts';

/** Refuses whatever a page could ask a browser for: camera, position, devices, other pages, the network. */
export function guardSession(session: Session): void {
  session.setPermissionRequestHandler((_contents, permission, answer, { requestingUrl }) =>
    answer(isAllowed(permission, requestingUrl)),
  );
  session.setPermissionCheckHandler((_contents, permission, origin) =>
    isAllowed(permission, `${origin.replace(/\/$/, '')}/`),
  );
  session.setDevicePermissionHandler(() => false);
  session.webRequest.onBeforeRequest(({ url }, answer) => answer({ cancel: !isOwnAddress(url) }));
  // What the page makes itself (a chart as a picture) may be kept; anything else comes as a download of the bridge.
  session.on('will-download', (event, item) => {
    if (!item.getURL().startsWith(`blob:${pageOrigin}/`)) event.preventDefault();
  });
}

/** Putting text on the clipboard, when a person presses a button of ours for it, is all that is let through. */
const isAllowed = (permission: string, url: string): boolean =>
  permission === 'clipboard-sanitized-write' && isPageAddress(url);

export const isPageAddress = (url: string): boolean => url.startsWith(`${pageOrigin}/`);

const isOwnAddress = (url: string): boolean =>
  isPageAddress(url) || url.startsWith(`blob:${pageOrigin}/`) || /^(data|devtools):/.test(url);

/** Holds for every window and view that ever comes to be. */
export function guardContents(app: App, openOutside: (url: string) => void): void {
  app.on('web-contents-created', (_event, contents: WebContents) => {
    contents.on('will-attach-webview', (event) => event.preventDefault());
    const stay = (event: { preventDefault(): void; readonly url: string }): void => {
      event.preventDefault();
      openOutside(event.url);
    };
    // The page moves by its fragment, which is no navigation.
    contents.on('will-navigate', stay);
    // A frame shows a report of ours, or nothing.
    contents.on('will-frame-navigate', (event) => {
      if (event.isMainFrame || !event.url.startsWith(`${pageOrigin}/view/`)) event.preventDefault();
    });
    contents.on('will-redirect', (event) => event.preventDefault());
    contents.setWindowOpenHandler(({ url }) => {
      openOutside(url);
      return { action: 'deny' };
    });
  });
}

/** Opens an https address in the person's browser, if the person says so; anything else not at all. */
export function outsideOpener(
  { dialog, shell }: Pick<ElectronParts, 'dialog' | 'shell'>,
  window: () => BrowserWindow | undefined,
): (url: string) => Promise<void> {
  let asking = false;
  return async (address) => {
    if (asking || !URL.canParse(address)) return;
    const url = new URL(address);
    if (url.protocol !== 'https:' || url.username !== '' || url.password !== '') return;
    asking = true;
    try {
      const question = {
        type: 'question' as const,
        message: 'Open this address in your browser?',
        detail: url.href,
        buttons: ['Open', 'Cancel'],
        defaultId: 1,
        cancelId: 1,
      };
      const parent = window();
      const { response } = await (parent
        ? dialog.showMessageBox(parent, question)
        : dialog.showMessageBox(question));
      if (response === 0) await shell.openExternal(url.href);
    } finally {
      asking = false;
    }
  };
}

/** Whether a message comes from the page itself: from the top frame of our window, at our origin. */
export function isFromPage(
  { senderFrame, sender }: IpcMainEvent | IpcMainInvokeEvent,
  window: BrowserWindow | undefined,
): boolean {
  return (
    senderFrame !== null &&
    window !== undefined &&
    !window.isDestroyed() &&
    sender === window.webContents &&
    senderFrame === window.webContents.mainFrame &&
    senderFrame.origin === pageOrigin &&
    isPageAddress(senderFrame.url)
  );
}
