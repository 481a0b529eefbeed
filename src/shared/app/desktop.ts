/** What the desktop's preload script and the page have to agree on. */
import type { FileGrant } from './api.ts';

/** What the desktop's preload gives the page, as `window.plumbline`. */
export interface DesktopBridge {
  /** Opens the one channel to the host; its port arrives as a message to the window. */
  connect(): void;
  /** Lets the program read a file that was dropped on the window; undefined where it is not one of the disk. */
  grantDropped(file: File): Promise<FileGrant | undefined>;
}

/** The name by which the desktop's port is sent to the window. */
export const portMessage = 'plumbline:port';

/** Names of what goes between preload and host; everything else takes the port. */
export const channels = {
  /** Preload asks for a port; the host answers by the same name, with the port. */
  connect: 'plumbline:connect',
  /** Preload tells the path of a dropped file and is given a grant. */
  grantDropped: 'plumbline:grant-dropped',
} as const;
