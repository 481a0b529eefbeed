/**
 * The process that trains one job. It is told what to do by its supervisor, tells what comes of it, and reads the
 * database without writing to it. It ends with its supervisor: what it has not told by then is computed again.
 */
import { InputError, UsageError } from '../../shared/errors.ts';
import { openStore } from '../store/database.ts';
import { openChannel } from './channel.ts';
import type { JobResult, JobSpec, SupervisorMessage, WorkerError, WorkerMessage } from './job.ts';
import { workCompare } from './work/compare.ts';
import { peakMemory } from './plan.ts';
import type { WorkContext } from './work/context.ts';
import { EnoughPlanned } from './work/plan.ts';
import { workTrain } from './work/train.ts';

const controller = new AbortController();

const { send, sendAndEnd, onMessage } = openChannel<SupervisorMessage, WorkerMessage>();

async function work(spec: JobSpec): Promise<JobResult> {
  const started = performance.now();
  const store = openStore(spec.database, { readOnly: true });
  const context: WorkContext = {
    spec,
    store,
    send,
    call: {
      signal: controller.signal,
      onProgress: (event) => send({ kind: 'progress', event }),
    },
  };
  try {
    if (spec.kind === 'train') await workTrain(context, spec);
    else await workCompare(context, spec);
  } catch (error) {
    if (!(error instanceof EnoughPlanned)) throw error;
  }
  return {
    seconds: (performance.now() - started) / 1000,
    peakMemory: peakMemory(),
    resumed: spec.runs.some(({ done, checkpoints }) => done || checkpoints.length > 0),
  };
}

function describe(error: unknown): WorkerError {
  const whole = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
  if (error instanceof UsageError) return { type: 'usage', message: whole };
  if (!(error instanceof InputError)) return { type: 'unexpected', message: whole, ...stack };
  const { file, row } = error.place;
  const message = error.bareMessage;
  return {
    type: 'input',
    message,
    ...(file === undefined ? {} : { file }),
    ...(row === undefined ? {} : { row }),
  };
}

onMessage((message) => {
  if (message.kind === 'stop') {
    controller.abort();
    return;
  }
  work(message.spec).then(
    (result) => sendAndEnd({ kind: 'done', result }),
    (error: unknown) =>
      sendAndEnd(
        controller.signal.aborted && error === controller.signal.reason
          ? { kind: 'stopped' }
          : { kind: 'failed', error: describe(error) },
      ),
  );
});
// A terminal's Ctrl-C reaches every process of its group: it is the supervisor's to answer.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => controller.abort());
