import type { QueueState } from '../../../../shared/app/api.ts';
import type { AppContext, Handlers } from '../handler.ts';

async function state({ services, queue }: AppContext): Promise<QueueState> {
  return { ...(await services.listQueue()), running: queue.running };
}

export const queueHandlers = {
  listQueue: state,
  async moveJob(context, request) {
    await context.services.moveJob(request);
    return state(context);
  },
  startQueue(context) {
    context.queue.wake();
    return state(context);
  },
  haltQueue(context) {
    context.queue.halt();
    return state(context);
  },
} satisfies Partial<Handlers>;
