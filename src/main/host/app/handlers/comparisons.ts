import type { Handlers } from '../handler.ts';

export const comparisonHandlers = {
  listComparisons: ({ services }, request) => services.listComparisons(request),
  showComparison: ({ services }, request, call) => services.showComparison(request, call),
  report: ({ services, downloads }, { comparison, format = 'html' }, call) =>
    downloads.create(`comparison-${comparison}.${format}`, (report) =>
      services.report({ comparison, report, format }, call),
    ),
} satisfies Partial<Handlers>;
