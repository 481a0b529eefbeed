import type { Services } from '../../../shared/contract.ts';
import { openHostLog } from '../../service/host-log.ts';
import { createBridge } from '../app/bridge.ts';
import { openWebHost, type WebHost } from './server.ts';

/** The app over loopback with all that it needs. `close` ends jobs at work with a checkpoint; services are the caller's. */
export async function startWebHost(options: {
  readonly services: Services;
  readonly home: string;
  readonly port: number;
  /** Folder of the built page; absent: the one that ships. */
  readonly page?: string;
}): Promise<WebHost> {
  const { services, home, ...rest } = options;
  const log = openHostLog(home);
  const bridge = await createBridge({ services, home, host: 'web', log });
  try {
    const host = await openWebHost({ ...rest, bridge, log });
    return {
      ...host,
      async close() {
        await bridge.close();
        await host.close();
      },
    };
  } catch (error) {
    await bridge.close();
    throw error;
  }
}
