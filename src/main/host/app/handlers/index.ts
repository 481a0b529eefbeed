import type { Handlers } from '../handler.ts';
import { appHandlers } from './app.ts';
import { comparisonHandlers } from './comparisons.ts';
import { dataHandlers } from './data.ts';
import { judgingHandlers } from './judging.ts';
import { modelHandlers } from './models.ts';
import { playgroundHandlers } from './playground.ts';
import { queueHandlers } from './queue.ts';
import { runHandlers } from './runs.ts';
import { upkeepHandlers } from './upkeep.ts';

/** What answers each method. */
export const handlers: Handlers = {
  ...appHandlers,
  ...modelHandlers,
  ...dataHandlers,
  ...runHandlers,
  ...queueHandlers,
  ...comparisonHandlers,
  ...playgroundHandlers,
  ...judgingHandlers,
  ...upkeepHandlers,
};
