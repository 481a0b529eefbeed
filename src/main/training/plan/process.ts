import type { CallOptions } from '../../../shared/contract.ts';
import type { Plan } from '../../../shared/plan.ts';
import type { JobSpec, SupervisorMessage, WorkerMessage } from '../job.ts';
import { died, forkWorker, MemoryEvents, toError } from '../supervisor.ts';

/**
 * Has a training process plan its job and end: the very process that would train, so that its memory is what counts.
 * @param spec with `planning` set to `only`
 * @throws what the process failed with; the signal's reason where that is aborted
 */
export async function planInProcess(spec: JobSpec, { signal, onProgress }: CallOptions): Promise<Plan> {
  signal?.throwIfAborted();
  const worker = forkWorker();
  const memory = new MemoryEvents();
  let plan: Plan | undefined;
  let failure: Error | undefined;
  let said = '';
  const keep = (data: Buffer): void => void (said = (said + data.toString()).slice(-4000));
  worker.stdout?.on('data', keep);
  worker.stderr?.on('data', keep);
  worker.on('message', (received) => {
    const message = received as WorkerMessage;
    if (message.kind === 'progress') onProgress?.(message.event);
    else if (message.kind === 'plan') plan = message.plan;
    else if (message.kind === 'failed') failure = toError(message.error);
  });
  const kill = (): void => void worker.kill('SIGKILL');
  process.once('exit', kill);
  signal?.addEventListener('abort', kill, { once: true });
  try {
    const ended = await new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(
      (resolve, reject) => {
        worker.once('error', reject);
        worker.once('close', (code, by) => resolve({ code, signal: by }));
        worker.send({ kind: 'start', spec } satisfies SupervisorMessage);
      },
    );
    signal?.throwIfAborted();
    if (failure) throw failure;
    if (!plan) throw died(ended.code, ended.signal, memory.killed(), said);
    return plan;
  } finally {
    process.removeListener('exit', kill);
    signal?.removeEventListener('abort', kill);
    kill();
  }
}
