import type { Services } from '../../../shared/contract.ts';

/** Carries out the queue, from when something wakes it until nothing waits. */
export class QueueRunner {
  readonly #services: Services;
  readonly #log: (text: string) => void;
  readonly #controller = new AbortController();
  #work: Promise<void> | undefined;
  #halted = false;
  #again = false;
  /** Called when it begins and when it comes to its end. */
  onChange: () => void = () => undefined;

  constructor(services: Services, log: (text: string) => void) {
    this.#services = services;
    this.#log = log;
  }

  /** It is to carry out what waits. False while only the job at work goes on to its end. */
  get running(): boolean {
    return this.#work !== undefined && !this.#halted;
  }

  wake(): void {
    if (this.#controller.signal.aborted) return;
    const before = this.running;
    this.#halted = false;
    // One that has just seen an empty queue looks once more.
    this.#again = true;
    this.#work ??= this.#carryOut();
    if (!before) this.onChange();
  }

  /** Begins nothing more; the job at work goes on. */
  halt(): void {
    if (!this.running) return;
    this.#halted = true;
    this.onChange();
  }

  /** Ends the jobs at work with a checkpoint. */
  async close(): Promise<void> {
    this.#controller.abort();
    await this.#work;
  }

  async #carryOut(): Promise<void> {
    const { signal } = this.#controller;
    try {
      while (this.#again && !this.#halted) {
        this.#again = false;
        // A job that fails keeps its error in its record; the others go on.
        const { failed } = await this.#services.runQueue({ signal, mayBegin: () => !this.#halted });
        for (const { job, error } of failed) this.#log(`job ${job} failed: ${error}`);
      }
    } catch (error) {
      if (!signal.aborted) this.#log(`queue: ${error instanceof Error ? error.stack : String(error)}`);
    } finally {
      this.#work = undefined;
      this.onChange();
    }
  }
}
