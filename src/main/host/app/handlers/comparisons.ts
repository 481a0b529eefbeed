import type { Handlers } from '../handler.ts';

export const comparisonHandlers = {
  listComparisons: ({ services }, request) => services.listComparisons(request),
  showComparison: ({ services }, request, call) => services.showComparison(request, call),
  report: ({ services, downloads }, { comparison }, call) =>
    downloads.create(`comparison-${comparison}.html`, (report) =>
      services.report({ comparison, report }, call),
    ),
} satisfies Partial<Handlers>;
