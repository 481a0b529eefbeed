import type { CallOptions, DoctorFinding, DoctorRequest, DoctorResult } from '../../shared/contract.ts';
import { InputError } from '../../shared/errors.ts';
import { openStore, type Store } from '../store/database.ts';
import { inspectDatabase } from '../store/inspect.ts';
import { findLeftovers, removeLeftovers, type Found, type HomePlaces } from './doctor/leftovers.ts';
import { RecordCheck } from './doctor/records.ts';
import { recoverOrphans } from './jobs.ts';
import type { Library } from './library.ts';

/**
 * Checks the database and every file that its records speak of, and lists what no record needs. Reads only, also while
 * other processes write, unless `fix` or `free` asks for more.
 * @param library whose store is opened, for writing, only where something is to be changed
 */
export async function doctor(
  library: Library,
  places: HomePlaces,
  { fix, free, confirmed }: DoctorRequest,
  call: CallOptions,
): Promise<DoctorResult> {
  const begun = performance.now();
  const fixed = fix ? settle(library, places) : [];
  const inspection = inspectDatabase(places.database);
  const { version, knownVersion } = inspection;
  const findings: DoctorFinding[] = inspection.problems.map((message) => ({
    severity: 'broken',
    kind: 'database',
    name: places.database,
    message,
  }));
  const checked = { models: 0, checkpoints: 0, adapters: 0, bytes: 0 };
  let leftovers: Found[];
  const tell = (severity: DoctorFinding['severity'], message: string): void =>
    void findings.push({ severity, kind: 'database', name: places.database, message });
  if (version !== null && version > knownVersion) {
    tell('broken', `was written by a newer Plumbline (version ${version}, this one knows ${knownVersion})`);
    leftovers = findLeftovers(places, undefined);
  } else if (version !== knownVersion) {
    if (inspection.exists && findings.length === 0)
      tell(
        'warning',
        `is of version ${version}; the next start brings it to ${knownVersion}, then ask again`,
      );
    leftovers = findLeftovers(places, undefined);
  } else {
    let store: Store | undefined;
    try {
      store = openStore(places.database, { readOnly: true });
      const check = new RecordCheck(store, call);
      check.jobs();
      check.pairs();
      check.evaluationCache();
      await check.models();
      await check.checkpoints(places.checkpointFolder);
      await check.adapters();
      findings.push(...check.findings);
      Object.assign(checked, check.checked);
      leftovers = findLeftovers(places, store);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      // What is damaged cannot say what is needed.
      tell('broken', error.message);
      leftovers = findLeftovers(places, undefined);
    } finally {
      store?.close();
    }
  }
  const removable = leftovers.filter(({ keep }) => keep === undefined);
  const freed = free && confirmed && removable.length > 0;
  return {
    healthy: findings.every(({ severity }) => severity !== 'broken'),
    checked: { database: inspection.exists ? 1 : 0, ...checked },
    findings,
    leftovers: leftovers.map(({ extent: _, dataset: __, ...leftover }) => leftover),
    removableBytes: removable.reduce((sum, { bytes }) => sum + bytes, 0),
    fixed,
    freed,
    freedBytes: freed ? removeLeftovers(library.store, removable) : 0,
    seconds: (performance.now() - begun) / 1000,
  };
}

/** Opening the store for writing brings it to this version and settles what killed processes left open. */
function settle(library: Library, { database }: HomePlaces): string[] {
  const before = inspectDatabase(database);
  if (!before.exists || before.problems.length > 0) return [];
  const open = before.version === before.knownVersion ? openStore(database, { readOnly: true }) : undefined;
  const active = open?.jobs.active() ?? [];
  open?.close();
  const { store } = library;
  recoverOrphans(library);
  return [
    ...(before.version === before.knownVersion
      ? []
      : [`the database was brought from version ${before.version} to ${before.knownVersion}`]),
    ...active
      .filter(({ id }) => store.jobs.get(id)?.status === 'interrupted')
      .map(({ id }) => `job ${id} was marked as interrupted; resume its runs with "runs resume"`),
  ];
}
