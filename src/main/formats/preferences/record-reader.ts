/** One record of a data file, before its fields are checked. */
export interface SourceRecord {
  readonly record: unknown;
  /** The row's place, counted from 0. */
  readonly index: number;
  /** Where to look in the file, in the format's own words ("line 3"); empty where `index` says it all. */
  readonly where: string;
}

/** How a kind of data file is cut into records. What the records mean is checked elsewhere, alike for every kind. */
export interface RecordReader {
  /** File name endings in lower case, with the dot, without `.gz`. */
  readonly extensions: readonly string[];
  /** @throws InputError naming `file`, row and cause where the bytes are not of this kind. */
  read(bytes: Buffer, file: string): Iterable<SourceRecord>;
}
