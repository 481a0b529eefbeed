import {
  decodeMessage,
  encodeMessage,
  type ClientMessage,
  type HostMessage,
} from '../../shared/app/protocol.ts';
import { portMessage, type DesktopBridge } from '../../shared/app/desktop.ts';

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
