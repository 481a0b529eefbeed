/** A worker's line to whoever started it. */
export interface Channel<In, Out> {
  onMessage(listener: (message: In) => void): void;
  send(message: Out): void;
  /** The last word: ends this process, with code 0, once it was heard. */
  sendAndEnd(message: Out): void;
}

/**
 * Between a worker started by Electron and its host: what a worker sends just before it exits may be lost there, so it
 * waits until the host answers that it has heard all.
 */
export const farewell = { asked: 'plumbline:farewell', answered: 'plumbline:heard' } as const;
const farewellMilliseconds = 10_000;

/** The part of Electron's `process.parentPort` that is used; under Node there is none. */
interface ParentPort {
  on(event: 'message', listener: (event: { readonly data: unknown }) => void): unknown;
  postMessage(message: unknown): void;
}

/**
 * Opens the line and makes this process end with it: when its host is gone nobody is left to be told. A rejection that
 * nobody handles ends it too, which Electron by itself only warns of.
 */
export function openChannel<In, Out>(): Channel<In, Out> {
  process.on('unhandledRejection', (reason) => {
    process.stderr.write(`${reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)}\n`);
    process.exit(1);
  });
  const port = (process as { readonly parentPort?: ParentPort }).parentPort;
  return port ? electronChannel(port) : nodeChannel();
}

function nodeChannel<In, Out>(): Channel<In, Out> {
  process.on('disconnect', () => process.exit(1));
  return {
    onMessage: (listener) => void process.on('message', (message) => listener(message as In)),
    send: (message) => void process.send?.(message),
    sendAndEnd: (message) => void process.send!(message, undefined, undefined, () => process.exit(0)),
  };
}

// Chromium ends its utility processes with the process that started them.
function electronChannel<In, Out>(port: ParentPort): Channel<In, Out> {
  return {
    onMessage: (listener) =>
      void port.on('message', ({ data }) => {
        if (data === farewell.answered) process.exit(0);
        listener(data as In);
      }),
    send: (message) => port.postMessage(message),
    sendAndEnd: (message) => {
      port.postMessage(message);
      port.postMessage(farewell.asked);
      setTimeout(() => process.exit(1), farewellMilliseconds);
    },
  };
}
