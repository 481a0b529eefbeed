import {
  decodeMessage,
  encodeMessage,
  type ClientMessage,
  type HostMessage,
} from '../../shared/app/protocol.ts';
import type { FileGrant } from '../../shared/app/api.ts';

/** What the desktop's preload gives the page. */
export interface DesktopBridge {
  /** Opens the one channel to the host; its port arrives as a message to the window. */
  connect(): void;
  /** Lets the program read a file that was dropped on the window; undefined where it is not one of the disk. */
  grantDropped(file: File): Promise<FileGrant | undefined>;
}
declare global {
  interface Window {
    readonly plumbline?: DesktopBridge;
  }
}

/** A way to the host that is open; it never opens again. */
export interface Connection {
  send(message: ClientMessage): void;
}
export interface Listeners {
  readonly onOpen: (connection: Connection) => void;
  readonly onMessage: (message: HostMessage) => void;
  readonly onClose: () => void;
}

/** The name by which the desktop's port is sent to the window. */
export const portMessage = 'plumbline:port';

/** Connects to whichever host shows this page. */
export function connect(listeners: Listeners): void {
  if (window.plumbline) connectPort(window.plumbline, listeners);
  else connectSocket(listeners);
}

function connectPort(desktop: DesktopBridge, { onOpen, onMessage, onClose }: Listeners): void {
  const receive = (event: MessageEvent): void => {
    const port = event.ports[0];
    if (event.source !== window || event.data !== portMessage || !port) return;
    removeEventListener('message', receive);
    port.onmessage = ({ data }) => onMessage(data as HostMessage);
    port.addEventListener('close', onClose);
    onOpen({ send: (message) => port.postMessage(message) });
  };
  addEventListener('message', receive);
  desktop.connect();
}

function connectSocket({ onOpen, onMessage, onClose }: Listeners): void {
  const socket = new WebSocket(new URL('/socket', location.href.replace(/^http/, 'ws')));
  socket.onopen = () => onOpen({ send: (message) => socket.send(encodeMessage(message)) });
  socket.onmessage = ({ data }) => onMessage(decodeMessage(String(data)) as HostMessage);
  socket.onclose = onClose;
}
