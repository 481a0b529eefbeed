/**
 * The process that trains one job. It is told what to do by its supervisor, tells what comes of it, and reads the
 * database without writing to it. It ends with its supervisor: what it has not told by then is computed again.
 */
import { openStore } from '../store/database.ts';
import { openChannel } from './channel.ts';
import type { JobResult, JobSpec, SupervisorMessage, WorkerMessage } from './job.ts';
import { workCompare } from './work/compare.ts';
import { peakMemory } from './plan.ts';
import type { WorkContext } from './work/context.ts';
import { EnoughPlanned } from './work/plan.ts';
import { workTrain } from './work/train.ts';
import { describeError } from './worker-error.ts';

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
          : { kind: 'failed', error: describeError(error) },
      ),
  );
});
// A terminal's Ctrl-C reaches every process of its group: it is the supervisor's to answer.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => controller.abort());
