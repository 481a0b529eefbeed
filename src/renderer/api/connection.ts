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
  /** @param isRefused a host is there, but it does not know this page: it was started anew */
  readonly onClose: (isRefused: boolean) => void;
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
    port.addEventListener('close', () => onClose(false));
    onOpen({ send: (message) => port.postMessage(message) });
  };
  addEventListener('message', receive);
  desktop.connect();
}

function connectSocket({ onOpen, onMessage, onClose }: Listeners): void {
  const socket = new WebSocket(new URL('/socket', location.href.replace(/^http/, 'ws')));
  let wasOpen = false;
  socket.onopen = () => {
    wasOpen = true;
    onOpen({ send: (message) => socket.send(encodeMessage(message)) });
  };
  socket.onmessage = ({ data }) => onMessage(decodeMessage(String(data)) as HostMessage);
  socket.onclose = () => {
    if (wasOpen) onClose(false);
    else void isRefused().then(onClose);
  };
}

/** A socket does not say why it was closed; the page's own address does. */
async function isRefused(): Promise<boolean> {
  try {
    const { status } = await fetch('/', { method: 'HEAD', signal: AbortSignal.timeout(2000) });
    return status === 403;
  } catch {
    return false;
  }
}
