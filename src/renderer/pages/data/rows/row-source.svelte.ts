import { SvelteMap } from 'svelte/reactivity';
import type { RowFilter, RowLine } from '../../../../shared/app/api.ts';
import type { ProgressEvent } from '../../../../shared/contract.ts';
import { call, CallFailed } from '../../../api/client.svelte.ts';

const pageSize = 100;
/** Pages kept: some thousand rows, a few megabytes. */
const mostPages = 30;
/** Milliseconds that a place far from the one before must stay in sight. */
const settling = 60;

/**
 * The rows of a dataset that a filter leaves, by place, loaded a page at a time as they come into sight. What is no
 * longer in sight is not waited for, and pages far from it are let go.
 */
export class RowSource {
  readonly data: string;
  readonly filter: RowFilter;
  /** Rows that the filter leaves; undefined until that is known. */
  total = $state<number>();
  error = $state.raw<CallFailed>();
  /** Work before the first answer, such as making the index for search. */
  progress = $state.raw<Extract<ProgressEvent, { kind: 'progress' }>>();
  readonly #pages = new SvelteMap<number, readonly RowLine[]>();
  /* eslint-disable svelte/prefer-svelte-reactivity -- nothing is drawn of these */
  readonly #loading = new Map<number, AbortController>();
  readonly #stale = new Set<number>();
  /* eslint-enable svelte/prefer-svelte-reactivity */
  #first = 0;
  #last = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(data: string, filter: RowFilter, total?: number) {
    this.data = data;
    this.filter = filter;
    this.total = total;
  }

  /** The row at a place; undefined while it is not there yet. */
  line(place: number): RowLine | undefined {
    return this.#pages.get(Math.floor(place / pageSize))?.[place % pageSize];
  }

  /** Rows from one place to another are in sight. While they rush by, nothing is asked for. */
  want(first: number, last: number): void {
    const isElsewhere = first > this.#last || last < this.#first;
    this.#first = Math.max(0, first);
    this.#last = Math.max(this.#first, last);
    clearTimeout(this.#timer);
    if (isElsewhere) this.#timer = setTimeout(() => this.#askForWanted(), settling);
    else this.#askForWanted();
  }

  #askForWanted(): void {
    const [from, to] = [Math.floor(this.#first / pageSize), Math.floor(this.#last / pageSize)];
    for (const [page, controller] of this.#loading) if (page < from || page > to) controller.abort();
    for (let page = from; page <= to; page += 1)
      if (!this.#loading.has(page) && (!this.#pages.has(page) || this.#stale.has(page)))
        void this.#load(page);
    if (this.#pages.size <= mostPages) return;
    const middle = (from + to) / 2;
    const far = [...this.#pages.keys()].sort((a, b) => Math.abs(b - middle) - Math.abs(a - middle));
    for (const page of far.slice(0, this.#pages.size - mostPages)) this.#pages.delete(page);
  }

  /** The rows may have changed: what is in sight is loaded again and stays until then; the rest is let go. */
  refresh(): void {
    for (const controller of this.#loading.values()) controller.abort();
    this.#loading.clear();
    const [from, to] = [Math.floor(this.#first / pageSize), Math.floor(this.#last / pageSize)];
    for (const page of [...this.#pages.keys()]) {
      if (page < from || page > to) this.#pages.delete(page);
      else this.#stale.add(page);
    }
    this.#askForWanted();
  }

  /** Nothing is waited for any more. */
  close(): void {
    clearTimeout(this.#timer);
    for (const controller of this.#loading.values()) controller.abort();
    this.#loading.clear();
  }

  /** Numbers of the rows at some places, in order, loaded where they are not there. @throws CallFailed */
  async rowsAt(first: number, last: number, signal?: AbortSignal): Promise<number[]> {
    const rows: number[] = [];
    while (first + rows.length <= last) {
      const from = first + rows.length;
      const known = this.line(from);
      if (known && from === last) rows.push(known.row);
      else {
        const limit = Math.min(500, last - from + 1);
        const { lines } = await this.#ask(from, limit, signal ? { signal } : {});
        if (lines.length === 0) break;
        rows.push(...lines.map(({ row }) => row));
      }
    }
    return rows;
  }

  /** Where a row stands, or would stand: rows are in ascending order. @throws CallFailed */
  async placeOf(row: number): Promise<number | undefined> {
    // Few rows are missing in most datasets: the place is at the row's number, or a little before.
    let [low, high] = [0, row];
    for (let probe = row; low <= high; probe = Math.floor((low + high) / 2)) {
      const [line] = this.line(probe) ? [this.line(probe)!] : (await this.#ask(probe, 1, {})).lines;
      if (line?.row === row) return probe;
      if (line === undefined || line.row > row) high = probe - 1;
      else low = probe + 1;
    }
    return undefined;
  }

  #ask(
    from: number,
    limit: number,
    settings: Parameters<typeof call<'dataRows'>>[2],
  ): ReturnType<typeof call<'dataRows'>> {
    return call('dataRows', { data: this.data, from, limit, filter: this.filter }, settings);
  }

  async #load(page: number): Promise<void> {
    const controller = new AbortController();
    this.#loading.set(page, controller);
    try {
      const { total, lines } = await this.#ask(page * pageSize, pageSize, {
        signal: controller.signal,
        onProgress: (event) => event.kind === 'progress' && (this.progress = event),
      });
      if (controller.signal.aborted) return;
      this.#pages.set(page, lines);
      this.#stale.delete(page);
      this.total = total;
      this.error = undefined;
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      if (error.type !== 'cancelled') this.error = error;
    } finally {
      this.progress = undefined;
      if (this.#loading.get(page) === controller) this.#loading.delete(page);
    }
  }
}
