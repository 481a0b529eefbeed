import type { Migration } from '../migrate.ts';
import { firstSchema } from './0001-first-schema.ts';
import { jobs } from './0002-jobs.ts';
import { datasets } from './0003-datasets.ts';
import { metricRollups } from './0004-metric-rollups.ts';
import { runRoles } from './0005-run-roles.ts';
import { pairTelemetry } from './0006-pair-telemetry.ts';
import { judgings } from './0007-judgings.ts';
import { evaluationCache } from './0008-evaluation-cache.ts';

/** Every migration, oldest first. */
export const migrations: readonly Migration[] = [
  firstSchema,
  jobs,
  datasets,
  metricRollups,
  runRoles,
  pairTelemetry,
  judgings,
  evaluationCache,
];
