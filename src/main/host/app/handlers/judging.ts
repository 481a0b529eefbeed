import type { Handlers } from '../handler.ts';

export const judgingHandlers = {
  startJudging: ({ services }, request, call) => services.startJudging(request, call),
  listJudgings: ({ services }, request) => services.listJudgings(request),
  showJudging: ({ services }, request) => services.showJudging(request),
  prepareJudging: ({ services }, request, call) => services.prepareJudging(request, call),
  vote: ({ services }, request) => services.vote(request),
  undoVote: ({ services }, request) => services.undoVote(request),
  judgingResult: ({ services }, request) => services.judgingResult(request),
  judgingToData: ({ services }, request) => services.judgingToData(request),
  removeJudging: ({ services }, request) => services.removeJudging(request),
} satisfies Partial<Handlers>;
