/**
 * Loaded into a forked process before its module, where it stands for what Electron gives its utility processes: the line
 * to the host is `process.parentPort`, messages are on their way for a while, and what is on its way is lost at exit.
 */
import { EventEmitter } from 'node:events';

const onTheWayMilliseconds = 20;

const port = Object.assign(new EventEmitter(), {
  postMessage: (message: unknown): void => {
    setTimeout(() => process.send?.({ message }), onTheWayMilliseconds);
  },
});
process.on('message', (data) => void port.emit('message', { data, ports: [] }));
// Chromium ends its utility processes with their host.
process.on('disconnect', () => process.exit(0));
Object.assign(process, { parentPort: port });
