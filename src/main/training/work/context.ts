import { InputError } from '../../../shared/errors.ts';
import type { ProgressEvent } from '../../../shared/contract.ts';
import type { Store } from '../../store/database.ts';
import type { TrainingState } from '../../engine/train/trainer.ts';
import { Checkpointer, readCheckpoint, type CheckpointFacts } from '../checkpoint.ts';
import type { JobSpec, RunSpec, Sources, StartPlace, WorkerMessage } from '../job.ts';
import { openBase, openFresh, type OpenModel } from '../model.ts';
import type { PartCache } from '../recall.ts';
import type { ReferenceCache } from '../reference.ts';

/** What the work of one job has to go by. */
export interface WorkContext {
  readonly spec: JobSpec;
  /** For reading only. */
  readonly store: Store;
  readonly send: (message: WorkerMessage) => void;
  /** Its signal is aborted when the job is to stop; its progress goes to the supervisor. */
  readonly call: {
    readonly signal: AbortSignal;
    readonly onProgress: (event: ProgressEvent) => void;
  };
}

export function openStart(
  start: StartPlace,
  { lowMemory }: { readonly lowMemory?: boolean | undefined },
): OpenModel {
  return start.kind === 'fresh' ? openFresh(start.configFile) : openBase(start, lowMemory);
}

/** Known reference log-probs are read here, new ones are written by the supervisor. */
export function referenceCache({ store, send }: WorkContext): ReferenceCache {
  return {
    getMany: (context, hashes) => store.referenceLogProbs.getMany(context, hashes),
    putMany: (context, scores) => send({ kind: 'reference', context, scores }),
  };
}

/** What is known of earlier evaluations; as reference log-probs are kept. Undefined where everything is to be computed. */
export function partCache({ spec, store, send }: WorkContext): PartCache | undefined {
  if (spec.recall !== true) return undefined;
  return {
    get(key) {
      const known = store.evaluationCache.get(key);
      if (known !== undefined) send({ kind: 'recalled', key });
      return known;
    },
    put: (key, part, result) => send({ kind: 'evaluation-part', key, part, result }),
  };
}

/**
 * Tells the hashes of what is read, or compares them with those of the first start.
 * @throws InputError naming what has changed: it would be another run
 */
export function settleSources({ spec, send }: WorkContext, found: Sources): void {
  if (spec.sources === null) {
    send({ kind: 'sources', sources: found });
    return;
  }
  for (const [name, hash] of Object.entries(spec.sources)) {
    if (found[name] === hash) continue;
    throw new InputError(
      `the ${name} has changed since this run began (${hash.slice(0, 12)}, now ${found[name]?.slice(0, 12) ?? 'absent'}); ` +
        'bring it back to go on, or start a new run',
    );
  }
}

/**
 * The state that a run goes on from: that of its last readable checkpoint, else `fresh`. Checkpoints that cannot be
 * read are told of.
 */
export function resumeState(
  { call }: WorkContext,
  run: RunSpec,
  fresh: TrainingState,
  facts: CheckpointFacts,
): TrainingState {
  for (const place of run.checkpoints) {
    try {
      return readCheckpoint(place, fresh.parameters.length, run.fork ? undefined : facts);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      call.onProgress({ kind: 'note', text: `${error.message}; an earlier one is taken` });
    }
  }
  // From its own start a fork would be another run.
  if (run.fork) throw new InputError('the checkpoint that this run began at cannot be read');
  return fresh;
}

export function checkpointerOf(
  { spec, send }: WorkContext,
  run: RunSpec,
  facts: CheckpointFacts,
  state: TrainingState,
): Checkpointer {
  return new Checkpointer(spec.checkpoint, facts, state.optimizer.step, (written) =>
    send({ kind: 'checkpoint', runId: run.id, ...written }),
  );
}
