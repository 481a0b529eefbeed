import { isUtf8 } from 'node:buffer';
import { largestRecord } from '../limits.ts';

/** One row of a table: its cells, or why there are none. */
export interface CsvRow {
  /** The line that the row begins in, counted from 1. */
  readonly line: number;
  readonly cells: readonly string[];
  readonly malformed?: string;
}

const quote = 0x22;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** More cells than any row of a table of pairs has; a row with more is malformed. */
const mostCells = 10_000;

/**
 * Cuts CSV as RFC 4180 has it, and as Python's `csv` reads it: a quote opens only at a cell's start, doubled it stands
 * for itself, and line breaks count as text within quotes. Text after a closing quote is refused, where Python joins it.
 */
export class CsvSplitter {
  readonly #delimiter: number;
  /** From the begun row's first byte on. */
  #bytes: Buffer = Buffer.alloc(0);
  /** What `#bytes` is a part of: grown by doubling, so that a long row is not copied with every chunk. */
  #store: Buffer = Buffer.alloc(0);
  #at = 0;
  #cellStart = 0;
  #cells: string[] = [];
  #state: 'start' | 'plain' | 'quoted' | 'closed' = 'start';
  #doubled = false;
  #malformed: string | undefined;
  #line = 1;
  /** The last row ended with a carriage return: a line feed belongs to it. */
  #afterReturn = false;

  constructor(delimiter: string) {
    this.#delimiter = delimiter.charCodeAt(0);
  }

  /** Where the begun row begins. */
  get line(): number {
    return this.#line;
  }

  /** Rows that end within `chunk`; empty lines are none. @throws RangeError for a row that is too long */
  push(chunk: Buffer): CsvRow[] {
    const rows: CsvRow[] = [];
    this.#append(chunk);
    const delimiter = this.#delimiter;
    let rowStart = 0;
    let at = this.#at;
    const bytes = this.#bytes;
    while (at < bytes.length) {
      if (this.#state === 'quoted') {
        const found = bytes[at] === quote ? at : bytes.indexOf(quote, at);
        // A quote at the end may be the first of two.
        if (found === -1 || found === bytes.length - 1) {
          at = found === -1 ? bytes.length : found;
          break;
        }
        at = found + 1;
        if (bytes[at] === quote) {
          this.#doubled = true;
          at += 1;
        } else {
          this.#state = 'closed';
          this.#endCell(found);
        }
        continue;
      }
      const byte = bytes[at]!;
      if (byte === delimiter) {
        if (this.#state !== 'closed') this.#endCell(at);
        this.#state = 'start';
        this.#cellStart = at + 1;
      } else if (byte === lineFeed || byte === carriageReturn) {
        const continued = byte === lineFeed && this.#afterReturn && at === rowStart;
        // Runs of empty lines would take half a microsecond each.
        if (at === rowStart && !continued) this.#line += 1;
        else if (!continued) {
          if (this.#state !== 'closed') this.#endCell(at);
          const row = this.#endRow(bytes.subarray(rowStart, at));
          if (row !== undefined) rows.push(row);
        }
        this.#afterReturn = byte === carriageReturn;
        rowStart = at + 1;
        this.#cellStart = rowStart;
        this.#state = 'start';
      } else if (this.#state === 'start' && byte === quote) {
        this.#state = 'quoted';
        this.#cellStart = at + 1;
      } else if (this.#state === 'closed') {
        this.#malformed ??= 'text after a closing quote';
      } else this.#state = 'plain';
      at += 1;
    }
    this.#bytes = bytes.subarray(rowStart);
    this.#at = at - rowStart;
    this.#cellStart -= rowStart;
    if (this.#bytes.length > largestRecord) throw new RangeError('row too long');
    return rows;
  }

  /** The row that the file ends in, without a line break. */
  end(): CsvRow | undefined {
    const bytes = this.#bytes;
    if (bytes.length === 0) return undefined;
    if (this.#state === 'quoted') {
      const closed = bytes.at(-1) === quote && this.#at === bytes.length - 1;
      if (!closed) this.#malformed ??= 'a quote is never closed';
      this.#endCell(closed ? bytes.length - 1 : bytes.length);
    } else if (this.#state !== 'closed') this.#endCell(bytes.length);
    return this.#endRow(bytes);
  }

  #endCell(end: number): void {
    if (this.#cells.length >= mostCells) {
      this.#malformed ??= `more than ${mostCells} cells`;
      return;
    }
    const cell = this.#bytes.subarray(this.#cellStart, end);
    this.#cells.push((this.#doubled ? withoutDoubling(cell) : cell).toString('utf8'));
    this.#doubled = false;
  }

  #append(chunk: Buffer): void {
    const kept = this.#bytes.length;
    const length = kept + chunk.length;
    const start = this.#bytes.byteOffset - this.#store.byteOffset;
    let store = this.#store;
    let from = start;
    if (from + length > store.length) {
      from = 0;
      if (length > store.length) store = Buffer.allocUnsafeSlow(2 * length);
      this.#bytes.copy(store, 0);
    }
    chunk.copy(store, from + kept);
    this.#store = store;
    this.#bytes = store.subarray(from, from + length);
  }

  #endRow(bytes: Buffer): CsvRow | undefined {
    const line = this.#line;
    const cells = this.#cells;
    const malformed = this.#malformed ?? (isUtf8(bytes) ? undefined : 'invalid UTF-8');
    this.#line += 1 + innerLines(bytes);
    this.#cells = [];
    this.#malformed = undefined;
    if (bytes.length === 0) return undefined;
    return malformed === undefined ? { line, cells } : { line, cells, malformed };
  }
}

/** Of each two quotes, which only ever stand in pairs here, one. */
function withoutDoubling(cell: Buffer): Buffer {
  const text = Buffer.allocUnsafe(cell.length);
  let length = 0;
  for (let at = 0; at < cell.length; at += 1, length += 1) {
    text[length] = cell[at]!;
    if (cell[at] === quote) at += 1;
  }
  return text.subarray(0, length);
}

function innerLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(lineFeed); at !== -1; at = bytes.indexOf(lineFeed, at + 1)) lines += 1;
  return lines;
}
