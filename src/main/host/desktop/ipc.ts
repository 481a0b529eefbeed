import type { BrowserWindow, IpcMainEvent, IpcMainInvokeEvent, MessagePortMain } from 'electron';
import { isAbsolute } from 'node:path';
import { channels } from '../../../shared/app/desktop.ts';
import type { Bridge } from '../app/bridge.ts';
import type { Connection } from '../app/connection.ts';
import type { ElectronParts } from './electron.ts';
import { isFromPage } from './security.ts';

/** A page behind a port, as the bridge sees it. */
export function portConnection(port: MessagePortMain): Connection {
  const listeners: (() => void)[] = [];
  let open = true;
  // The port tells only when the page's end is gone; whoever closes this one is to be told as well.
  const end = (): void => {
    if (!open) return;
    open = false;
    for (const listener of listeners) listener();
  };
  port.on('close', end);
  port.start();
  return {
    send: (message) => {
      if (open) port.postMessage(message);
    },
    onMessage: (listener) => void port.on('message', ({ data }) => listener(data as unknown)),
    onClose: (listener) => void listeners.push(listener),
    close: () => {
      port.close();
      end();
    },
  };
}

/**
 * Answers the two things that a preload script can ask: a port to the bridge, and grants for dropped files. What does not
 * come from the page itself is not answered.
 * @returns stops answering: a page whose port is closed would ask for another while the program ends
 */
export function answerPage(
  { ipcMain, MessageChannelMain }: Pick<ElectronParts, 'ipcMain' | 'MessageChannelMain'>,
  window: () => BrowserWindow | undefined,
  bridge: Bridge,
): () => void {
  // A page that is loaded anew asks again; the one before is gone.
  let current: Connection | undefined;
  let answering = true;
  const mayAsk = (event: IpcMainEvent | IpcMainInvokeEvent): boolean =>
    answering && isFromPage(event, window());
  ipcMain.on(channels.connect, (event) => {
    if (!mayAsk(event)) return;
    current?.close();
    const { port1, port2 } = new MessageChannelMain();
    current = portConnection(port1);
    bridge.connect(current);
    event.senderFrame!.postMessage(channels.connect, null, [port2]);
  });
  ipcMain.handle(channels.grantDropped, async (event, path: unknown) => {
    if (!mayAsk(event)) throw new Error('refused');
    if (typeof path !== 'string' || !isAbsolute(path)) return undefined;
    return bridge.grants.add(path);
  });
  return () => void (answering = false);
}
