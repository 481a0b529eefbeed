import type { Topic } from '../../shared/app/protocol.ts';
import { CallFailed } from '../api/client.svelte.ts';
import { versions } from './live.svelte.ts';
import { waitAtStart } from './usable.ts';

export interface Resource<Value> {
  /** The last that was loaded; stays while the next one loads. */
  readonly value: Value | undefined;
  readonly error: CallFailed | undefined;
  readonly loading: boolean;
  reload(): void;
}

/**
 * Something the host knows, loaded when a component starts and again when the reactive state that `load` reads before
 * its first `await` changes, or one of the topics does. An answer that comes after a newer question is dropped.
 * To be called while a component is set up.
 */
export function resource<Value>(
  load: (signal: AbortSignal) => Promise<Value>,
  topics: readonly Topic[] = [],
): Resource<Value> {
  let value = $state.raw<Value>();
  let error = $state.raw<CallFailed>();
  let loading = $state(true);
  let again = $state(0);
  $effect(() => {
    for (const topic of topics) versions.get(topic);
    void again;
    const controller = new AbortController();
    const come = waitAtStart();
    loading = true;
    const asked = load(controller.signal);
    asked.then(
      (loaded) => {
        if (controller.signal.aborted) return;
        value = loaded;
        error = undefined;
        loading = false;
      },
      (cause: unknown) => {
        if (controller.signal.aborted) return;
        if (!(cause instanceof CallFailed)) throw cause;
        error = cause;
        loading = false;
      },
    );
    asked.then(come, come);
    return () => controller.abort();
  });
  return {
    get value() {
      return value;
    },
    get error() {
      return error;
    },
    get loading() {
      return loading;
    },
    reload: () => void (again += 1),
  };
}
