/**
 * Runs in the page's process before the page, sandboxed and in a world of its own. It hands one port through and tells
 * paths of dropped files to the host; the page sees neither Electron nor a path.
 */
import { contextBridge, ipcRenderer, webUtils } from 'electron';
import type { FileGrant } from '../../../shared/app/api.ts';
import { channels, portMessage, type DesktopBridge } from '../../../shared/app/desktop.ts';

ipcRenderer.on(channels.connect, ({ ports }) => {
  window.postMessage(portMessage, window.location.origin, ports);
});

const bridge: DesktopBridge = {
  connect: () => ipcRenderer.send(channels.connect),
  grantDropped: async (file) => {
    // Empty for what a script has made: only a person's own drop or choice has a path.
    const path = webUtils.getPathForFile(file);
    if (path === '') return undefined;
    return (await ipcRenderer.invoke(channels.grantDropped, path)) as FileGrant | undefined;
  },
};
contextBridge.exposeInMainWorld('plumbline', bridge);
