import type { DataSource } from './source.ts';

/** One record of a data file, before its fields are checked. */
export interface SourceRecord {
  readonly record: unknown;
  /** The row's place, counted from 0. */
  readonly index: number;
  /** Where to look in the file, in the format's own words ("line 3"); empty where `index` says it all. */
  readonly where: string;
  /** Why there is no record in this place; the records after it can be read. */
  readonly malformed?: string;
}

/** What of a record is looked at; others need not be read. Absent: every column. */
export type WantedColumns = ReadonlySet<string> | undefined;

/** How a kind of data file is cut into records. What the records mean is checked elsewhere, alike for every kind. */
export interface RecordReader {
  /** File name endings in lower case, with the dot, without `.gz`. */
  readonly extensions: readonly string[];
  /**
   * Records in batches, in the file's order.
   * @throws InputError naming file, row and cause where the file cannot be read on
   */
  read(source: DataSource, wanted: WantedColumns): AsyncGenerator<readonly SourceRecord[]>;
}
