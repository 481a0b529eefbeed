import type { ProgressEvent } from '../../../../shared/contract.ts';
import { CallFailed, type CallSettings } from '../../../api/client.svelte.ts';

/** Work over a whole dataset that a person starts, may stop, and reads the result of. */
export class Examination<Result> {
  result = $state.raw<Result>();
  error = $state.raw<CallFailed>();
  event = $state.raw<Extract<ProgressEvent, { kind: 'progress' }>>();
  /** When it began, by `performance.now()`; undefined while nothing is at work. */
  started = $state<number>();
  #controller: AbortController | undefined;

  /** Begins anew, and ends what is under way. */
  async run(work: (settings: CallSettings) => Promise<Result>): Promise<void> {
    this.stop();
    const controller = new AbortController();
    this.#controller = controller;
    [this.error, this.event, this.started] = [undefined, undefined, performance.now()];
    try {
      const result = await work({
        signal: controller.signal,
        onProgress: (event) => {
          if (event.kind === 'progress' && this.#controller === controller) this.event = event;
        },
      });
      if (this.#controller === controller) this.result = result;
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      if (this.#controller === controller && error.type !== 'cancelled') this.error = error;
    } finally {
      if (this.#controller === controller) this.started = undefined;
    }
  }

  stop(): void {
    this.#controller?.abort();
  }
}
