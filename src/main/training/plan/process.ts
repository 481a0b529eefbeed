import type { CallOptions } from '../../../shared/contract.ts';
import type { Plan } from '../../../shared/plan.ts';
import { environmentOf, type JobSpec, type SupervisorMessage, type WorkerMessage } from '../job.ts';
import { startNodeProcess, type StartProcess } from '../process.ts';
import { died, MemoryEvents, toError, workerFile } from '../supervisor.ts';

/**
 * Has a training process plan its job and end: the very process that would train, so that its memory is what counts.
 * @param spec with `planning` set to `only`
 * @throws what the process failed with; the signal's reason where that is aborted
 */
export async function planInProcess(
  spec: JobSpec,
  { signal, onProgress }: CallOptions,
  startProcess: StartProcess = startNodeProcess,
): Promise<Plan> {
  signal?.throwIfAborted();
  const worker = startProcess(workerFile, environmentOf(spec));
  const memory = new MemoryEvents();
  let plan: Plan | undefined;
  let failure: Error | undefined;
  let said = '';
  worker.onOutput((text) => void (said = (said + text).slice(-4000)));
  worker.onMessage((received) => {
    const message = received as WorkerMessage;
    if (message.kind === 'progress') onProgress?.(message.event);
    else if (message.kind === 'plan') plan = message.plan;
    else if (message.kind === 'failed') failure = toError(message.error);
  });
  const kill = (): void => worker.kill();
  process.once('exit', kill);
  signal?.addEventListener('abort', kill, { once: true });
  try {
    worker.send({ kind: 'start', spec } satisfies SupervisorMessage);
    const ended = await worker.ended;
    signal?.throwIfAborted();
    if (ended.error) throw ended.error;
    if (failure) throw failure;
    if (!plan) throw died(ended, ended.outOfMemory ?? memory.killed(), said);
    return plan;
  } finally {
    process.removeListener('exit', kill);
    signal?.removeEventListener('abort', kill);
    kill();
  }
}
