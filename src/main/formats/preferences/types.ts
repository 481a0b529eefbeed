import type { ColumnMap, DataRow, FormatName, ProblemKind } from '../../../shared/preferences.ts';

export interface DataReadOptions {
  /** Default: recognised from the first records. */
  readonly format?: FormatName;
  /** Which columns hold what; makes the format `columns`. Values are paths parted by dots. */
  readonly map?: ColumnMap;
  /** A further column, whose text is given beside each row. */
  readonly keep?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of bytes read so far, of those that there are to read. */
  readonly onBytes?: ((done: number, total: number) => void) | undefined;
}

/** A data file whose format is known and whose rows can be read, once. */
export interface OpenedData {
  readonly format: FormatName;
  readonly kind: DataRow['kind'];
  /** Whether prompts and answers are chat messages, to be rendered by a chat template. */
  readonly conversational: boolean;
  /**
   * In the file's order. @throws InputError where the file cannot be read on (broken gzip data, truncated Parquet); its
   * place names the row. Leaving the loop early closes the file.
   */
  readonly rows: AsyncIterable<ReadRow>;
  /** Closes the file where the rows are not read at all; harmless otherwise. */
  close(): Promise<void>;
}

/** Ratings of a pair's answers where the file has them. */
export interface PairScores {
  readonly chosen: number;
  readonly rejected: number;
}

export type ReadRow =
  | {
      readonly row: DataRow;
      readonly scores?: PairScores;
      /** Of the column that was asked for; absent where it holds no text, number or truth value. */
      readonly kept?: string;
    }
  | {
      readonly problem: DataProblem;
      /** The record as it stands in the file; absent where it could not be read. */
      readonly source?: unknown;
    };

/** Why a row cannot be used. */
export interface DataProblem {
  /** The row's place in the file, counted from 0. */
  readonly row: number;
  readonly kind: ProblemKind;
  /** Without the file's name and the row; with its line where the format has lines. */
  readonly message: string;
}
