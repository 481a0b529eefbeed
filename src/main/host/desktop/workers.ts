import type { Details, UtilityProcess } from 'electron';
import { farewell, type ProcessEnd, type StartProcess, type WorkerProcess } from '../../service/index.ts';
import type { ElectronParts } from './electron.ts';

/** After `exit`, how long Electron has to say why a process is gone. */
const reasonMilliseconds = 200;

/** Processes of Electron's own kind, and all of them that run. */
export interface Workers {
  readonly start: StartProcess;
  /** Ends all that still run, at once, and waits until they are gone. */
  killAll(): Promise<void>;
}

/** Workers as utility processes: RunAsNode is off in what ships, so the program cannot be started as Node. */
export function utilityWorkers({
  app,
  utilityProcess,
}: Pick<ElectronParts, 'app' | 'utilityProcess'>): Workers {
  const running = new Set<WorkerProcess>();
  let count = 0;
  // Some deaths are told only here (engine: a process that crashes while it starts).
  const gone = new Map<string, (details: Details) => void>();
  app.on('child-process-gone', (_event, details) => gone.get(details.name ?? '')?.(details));
  return {
    start(file, environment) {
      const name = `plumbline-worker-${++count}`;
      const child = utilityProcess.fork(file, [], {
        serviceName: name,
        stdio: ['ignore', 'pipe', 'pipe'],
        ...(environment && { env: { ...environment, ...process.env } }),
      });
      const worker = adapt(child, (listener) => {
        gone.set(name, listener);
        return () => gone.delete(name);
      });
      running.add(worker);
      void worker.ended.then(() => running.delete(worker));
      return worker;
    },
    async killAll() {
      const all = [...running];
      for (const worker of all) worker.kill();
      await Promise.all(all.map(({ ended }) => ended));
    },
  };
}

function adapt(
  child: UtilityProcess,
  onGone: (listener: (details: Details) => void) => () => void,
): WorkerProcess {
  const waiting: unknown[] = [];
  let state: 'starting' | 'running' | 'ended' = 'starting';
  let killed = false;
  const kill = (): void => {
    killed = true;
    // Electron's own kill is a request that a training only answers after its step.
    if (state === 'running' && child.pid !== undefined) {
      try {
        process.kill(child.pid, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
  };
  child.on('spawn', () => {
    state = 'running';
    if (killed) kill();
    else for (const message of waiting.splice(0)) child.postMessage(message);
  });
  child.on('message', (message) => {
    if (message === farewell.asked) child.postMessage(farewell.answered);
  });
  let failure: Error | undefined;
  child.on('error', (_type, location) => (failure = new Error(`V8 could not go on (${location})`)));
  const ended = new Promise<ProcessEnd>((resolve) => {
    let code: number | null = null;
    let why: Details['reason'] | undefined;
    const finish = (): void => {
      forget();
      state = 'ended';
      resolve(endOf(code, why, killed, failure));
    };
    const forget = onGone((details) => {
      why = details.reason;
      code ??= details.exitCode;
      // Its last output may still be on the way.
      setTimeout(finish, 0);
    });
    child.on('exit', (exitCode) => {
      code = exitCode;
      if (exitCode === 0 || why !== undefined) finish();
      else setTimeout(finish, reasonMilliseconds);
    });
  });
  return {
    ended,
    kill,
    onStart: (listener) => {
      if (state === 'running' && child.pid !== undefined) listener(child.pid);
      else child.once('spawn', () => listener(child.pid!));
    },
    onMessage: (listener) =>
      void child.on('message', (message) => {
        if (message !== farewell.asked) listener(message);
      }),
    onOutput: (listener) => {
      const hear = (data: Buffer): void => listener(data.toString());
      child.stdout?.on('data', hear);
      child.stderr?.on('data', hear);
    },
    send: (message) => {
      if (state === 'starting') waiting.push(message);
      else if (state === 'running') child.postMessage(message);
    },
  };
}

/** Utility processes tell no signal; the reason stands for it. */
function endOf(
  code: number | null,
  why: Details['reason'] | undefined,
  killed: boolean,
  failure: Error | undefined,
): ProcessEnd {
  const error = failure === undefined ? {} : { error: failure };
  if (why === 'oom' || why === 'memory-eviction')
    return { code: null, signal: 'SIGKILL', outOfMemory: true, ...error };
  if (why === 'killed' || (killed && code !== 0)) return { code: null, signal: 'SIGKILL', ...error };
  if (why === 'launch-failed' || why === 'integrity-failure')
    return { code, signal: null, error: failure ?? new Error(`the process could not be started (${why})`) };
  return { code, signal: null, ...error };
}
