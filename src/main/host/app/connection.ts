import type { HostMessage } from '../../../shared/app/protocol.ts';

/** One page, as a host sees it: a WebSocket over loopback, a MessagePort on the desktop. */
export interface Connection {
  /** Must not throw; what a closed page would have got is dropped. */
  send(message: HostMessage): void;
  /** @param listener gets what arrives, decoded but not yet looked at */
  onMessage(listener: (message: unknown) => void): void;
  onClose(listener: () => void): void;
  close(): void;
}
