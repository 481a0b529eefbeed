import { fork } from 'node:child_process';

/** How a process ended: by itself with a code, or by a signal. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The system ended it for want of memory, and said so. */
  readonly outOfMemory?: boolean;
  /** What went wrong with starting it or with talking to it. */
  readonly error?: Error;
}

/** A process of ours that works on something, however this host starts such processes. */
export interface WorkerProcess {
  /** Fulfilled when it has ended and all that it said was heard, also where it could not be started; never rejected. */
  readonly ended: Promise<ProcessEnd>;
  /** Calls `listener` with the id of the process, at once if it is there. */
  onStart(listener: (pid: number) => void): void;
  onMessage(listener: (message: unknown) => void): void;
  /** What it writes to stdout and stderr. */
  onOutput(listener: (text: string) => void): void;
  /** Structured clone; kept until it runs, dropped when it has ended. */
  send(message: unknown): void;
  /** Ends it at once. */
  kill(): void;
}

/**
 * Starts a module in a process of its own. It talks by `openChannel` (channel.ts).
 * @param environment variables that it gets beside this process's own, which win
 */
export type StartProcess = (file: string, environment?: Readonly<Record<string, string>>) => WorkerProcess;

/** Starts a process as Node does: for the command line, where no desktop is. */
export const startNodeProcess: StartProcess = (file, environment) => {
  const child = fork(file, [], {
    env: { ...environment, ...process.env },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const ended = new Promise<ProcessEnd>((resolve) => {
    let failure: { error: Error } | undefined;
    child.on('error', (error) => {
      failure ??= { error };
      if (child.pid === undefined) resolve({ code: null, signal: null, error });
    });
    child.once('close', (code, signal) => resolve({ code, signal, ...failure }));
  });
  return {
    ended,
    onStart: (listener) => {
      if (child.pid !== undefined) listener(child.pid);
    },
    onMessage: (listener) => void child.on('message', listener),
    onOutput: (listener) => {
      const hear = (data: Buffer): void => listener(data.toString());
      child.stdout?.on('data', hear);
      child.stderr?.on('data', hear);
    },
    send: (message) => {
      if (child.connected) child.send(message as object);
    },
    kill: () => void child.kill('SIGKILL'),
  };
};
