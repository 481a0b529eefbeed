import type { DatasetRequest, LengthSummary } from './data.ts';

export interface DuplicatesRequest extends DatasetRequest {
  /** Also rows that are nearly equal. */
  readonly near: boolean;
  /** Least Jaccard similarity of the sets of three words in a row that counts as near. */
  readonly threshold: number;
  /** What is compared: whole rows, or prompts alone. */
  readonly of: 'rows' | 'prompts';
}
export interface DuplicatesResult {
  readonly data: string;
  /** Rows that repeat an earlier one. */
  readonly repeats: number;
  readonly groupCount: number;
  /** The largest hundred. `similarity` is the least at which a row was joined to the group, 1 where all are equal. */
  readonly groups: readonly { readonly rows: readonly number[]; readonly similarity: number }[];
}

export interface LengthsRequest extends DatasetRequest {
  /** Count tokens of this model instead of characters. */
  readonly model?: string;
}
export interface LengthsResult {
  readonly data: string;
  readonly unit: 'characters' | 'tokens';
  readonly rows: number;
  /** By field; `longest` is the prompt with the longer answer, which a maximum length must hold. */
  readonly fields: Readonly<Record<string, LengthSummary & { readonly histogram: readonly LengthBin[] }>>;
}
export interface LengthBin {
  /** Lengths from here, and below the next bin's. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export interface LeaksRequest extends DatasetRequest {
  readonly against: string;
  readonly threshold: number;
}
export interface LeaksResult {
  readonly data: string;
  readonly against: string;
  /** Rows of `data` whose prompt stands in `against`. */
  readonly exact: number;
  /** Rows of `data` with a prompt like one there. */
  readonly near: number;
  /** The first thousand, by row. */
  readonly leaks: readonly { readonly row: number; readonly other: number; readonly similarity: number }[];
}
