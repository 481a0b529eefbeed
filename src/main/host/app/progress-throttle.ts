import type { ProgressEvent } from '../../../shared/contract.ts';

const pauseMilliseconds = 100;
/** Of notes that come in between so many are kept; a person reads no more. */
const mostNotes = 50;

/**
 * Passes on progress at most about ten times a second: of bars and steps the latest, of notes every one. The last one is
 * always told, by `flush` at the latest.
 */
export class ProgressThrottle {
  readonly #send: (event: ProgressEvent) => void;
  #bar: ProgressEvent | undefined;
  #notes: ProgressEvent[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(send: (event: ProgressEvent) => void) {
    this.#send = send;
  }

  add(event: ProgressEvent): void {
    if (event.kind !== 'note') this.#bar = event;
    else if (this.#notes.length < mostNotes) this.#notes.push(event);
    if (this.#timer === undefined) this.#tell();
  }

  /** Tells what is still held back, and holds nothing back by a clock any more. */
  flush(): void {
    this.#tell();
    this.drop();
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#bar = undefined;
    this.#notes = [];
  }

  #tell(): void {
    const events = this.#bar === undefined ? this.#notes : [...this.#notes, this.#bar];
    this.#notes = [];
    this.#bar = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (events.length === 0) return;
    for (const event of events) this.#send(event);
    this.#timer = setTimeout(() => this.#tell(), pauseMilliseconds);
  }
}
