import type { Handlers } from '../handler.ts';
import { resultPlaces, toRequest } from '../work.ts';

export const runHandlers = {
  planWork: ({ services, home }, { work }, call) => services.plan(toRequest(home, work), call),
  async startWork({ services, home, queue }, { work, begin }, call) {
    const { kind, request } = toRequest(home, work);
    const queued = await (kind === 'train'
      ? services.queueTrain(request, call)
      : services.queueCompare(request, call));
    if (begin) queue.wake();
    if (kind === 'train') return queued;
    const { comparison } = await services.showRun({ run: queued.runs[0]! });
    return { ...queued, ...(comparison === undefined ? {} : { comparison }) };
  },
  listRuns: ({ services }, request) => services.listRuns(request),
  showRun: ({ services }, request) => services.showRun(request),
  pauseRun: ({ services }, request, call) => services.pauseRun(request, call),
  stopRun: ({ services }, request, call) => services.stopRun(request, call),
  async resumeRun({ services, queue }, { run }, call) {
    const resumed = await services.resumeRun({ run, queue: true }, call);
    queue.wake();
    return resumed;
  },
  async forkRun({ services, home, queue }, request, call) {
    const forked = await services.forkRun({ ...request, ...resultPlaces(home), queue: true }, call);
    queue.wake();
    return forked;
  },
  runSeries: ({ services }, request, call) => services.runSeries(request, call),
  runMetrics: ({ services }, request) => services.runMetrics(request),
  runEvaluations: ({ services }, request) => services.runEvaluations(request),
  pairTelemetry: ({ services }, request, call) => services.pairTelemetry(request, call),
  pairSteps: ({ services }, request, call) => services.pairSteps(request, call),
  runLog: ({ services }, request) => services.runLog(request),
  exportRun: ({ services, downloads }, request, call) =>
    downloads.create(`run-${request.run}.tar.gz`, (out) =>
      services.exportRun({ ...request, out, archive: true }, call),
    ),
  removeRun: ({ services }, request) => services.removeRun(request),
} satisfies Partial<Handlers>;
