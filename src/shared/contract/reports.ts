import type { ComparisonResult } from '../comparison.ts';
import type { CompareRequest } from './work.ts';
import type { ReportNumber } from '../report/numbers.ts';
import type { Repetition } from '../report/repeat.ts';

export interface ReadReportRequest {
  /** A report in HTML or JSON, or what `compare --json` printed. */
  readonly path: string;
}
export interface ReadReportResult {
  readonly result: ComparisonResult;
}

export interface TraceRequest {
  /** The number's id; with `report`, words of what it is, parted by commas, will do. */
  readonly number: string;
  /** A report in HTML or JSON: what it says is held against the record. */
  readonly report?: string;
}
export interface TraceResult {
  /** As the record gives it. */
  readonly number: ReportNumber;
  /** All that it is calculated from, each once, down to what is read in the record. */
  readonly from: readonly ReportNumber[];
  /** What the report says, and whether it is the same to the last digit. */
  readonly reported?: { readonly value: number; readonly same: boolean };
}

export interface CompareAgainRequest {
  /** The report, as for `readReport`. */
  readonly from: string;
  /** The comparison that the report's command asks for. */
  readonly request: CompareRequest;
}
export interface CompareAgainResult extends Repetition {
  readonly from: string;
  /** Number of the comparison that was carried out for this. */
  readonly comparison: number;
  /** What is not as it was when the report was made, and may change last bits: versions, threads. */
  readonly conditions: readonly string[];
  readonly report?: string;
  readonly out?: string;
  readonly seconds: number;
}
