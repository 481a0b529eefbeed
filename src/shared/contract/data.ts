import type { DatasetChange, SplitRule } from '../dataset-changes.ts';
import type { CallOptions } from '../contract.ts';
import type {
  DuplicatesRequest,
  DuplicatesResult,
  LeaksRequest,
  LeaksResult,
  LengthsRequest,
  LengthsResult,
} from './data-analysis.ts';
import type { ColumnMap, FormatName, ProblemKind, Text } from '../preferences.ts';

export type { DatasetChange, SplitRule };

export interface AddDataRequest extends DataFormatRequest {
  readonly path: string;
  /** Default: the file's own name. */
  readonly name?: string;
  /** Leave out rows that cannot be used; without, the first one ends the import. */
  readonly skipBad?: boolean;
  /** The file's column that says on which side of a split a row belongs; default: `split`, where there is one. */
  readonly splitColumn?: string;
}
export interface DatasetSummary {
  readonly name: string;
  readonly path: string;
  /** Rows with chosen and rejected, or with one completion. */
  readonly kind: 'preference' | 'completion';
  /** Plain strings or chat messages. */
  readonly text: 'strings' | 'messages';
  /** Excluded ones among them. */
  readonly rows: number;
  readonly excluded: number;
  /** Rows that carry the task's right answer, for exact match. */
  readonly answers: number;
  /** Of the rows as JSON. */
  readonly bytes: number;
  /** Number of its last change; 0 as imported. */
  readonly revision: number;
  /** The file's column that a split can follow. */
  readonly splitColumn?: string;
  /** How it is split into rows to train on and rows to evaluate on; only in lists. */
  readonly split?: SplitRule;
  /** SHA-256 over the rows that are not excluded; absent after a change, until it is needed. */
  readonly hash?: string;
  /** ISO 8601, UTC. */
  readonly addedAt: string;
}
export interface AddDataResult {
  readonly dataset: DatasetSummary;
  /** False: the same rows were imported before, under the name given in `dataset`. */
  readonly added: boolean;
  /** Rows that were left out. */
  readonly skipped: number;
  /** Why: the first thousand. */
  readonly issues: readonly DataIssue[];
  readonly seconds: number;
}
export interface ListDataResult {
  readonly datasets: readonly DatasetSummary[];
}

/** How a data file is read: as its rows say themselves, unless a person knows better. */
export interface DataFormatRequest {
  readonly format?: FormatName;
  readonly map?: ColumnMap;
}
export interface CheckDataRequest extends DataFormatRequest {
  readonly path: string;
  /** With a model, answers that would be cut and boundaries that shift are found, and lengths counted in tokens. */
  readonly model?: string;
  readonly maxLength?: number;
}
export interface DataIssue {
  readonly row: number;
  readonly kind: ProblemKind;
  readonly message: string;
  /** The beginning of the record as JSON, where a check has read one. */
  readonly record?: string;
}
/** Lengths of one field over all usable rows. */
export interface LengthSummary {
  readonly mean: number;
  readonly min: number;
  readonly q25: number;
  readonly median: number;
  readonly q75: number;
  readonly q95: number;
  readonly max: number;
}
export interface DataStats {
  readonly rows: number;
  /** Rows that cannot be used. */
  readonly badRows: number;
  readonly distinctPrompts: number;
  /** Share of the rows that are ties: rated alike, or marked so. */
  readonly tieShare: number;
  readonly duplicateShare: number;
  /** Share of the pairs whose chosen answer is the longer one, in characters: far from one half, length is a shortcut. */
  readonly chosenLongerShare?: number;
  /** Rows that carry the task's right answer. */
  readonly answers: number;
  /** By field (prompt, chosen, rejected or completion), in characters (UTF-16 units). */
  readonly characters: Readonly<Record<string, LengthSummary>>;
  /** Likewise in tokens of the model, before anything is cut; only with a model. */
  readonly tokens?: Readonly<Record<string, LengthSummary>>;
}
export interface CheckDataResult {
  readonly format: FormatName;
  readonly kind: 'preference' | 'completion';
  readonly conversational: boolean;
  /** Rows that can be used. */
  readonly pairs: number;
  /** In the file's order; of each kind the first thousand. */
  readonly issues: readonly DataIssue[];
  /** How many issues of each kind there are in all. */
  readonly counts: Readonly<Partial<Record<ProblemKind, number>>>;
  readonly stats: DataStats;
  readonly seconds: number;
}
export interface ConvertDataRequest extends DataFormatRequest {
  readonly path: string;
  /** JSONL in TRL's conversational form. */
  readonly out: string;
  /** Leave out rows that cannot be used; without, the first one ends the work. */
  readonly skipBad: boolean;
}
export interface ConvertDataResult {
  readonly out: string;
  readonly format: FormatName;
  /** Rows written. */
  readonly pairs: number;
  readonly skipped: number;
  /** Why rows were left out: of each kind the first thousand. */
  readonly issues: readonly DataIssue[];
  /** How many rows were left out for each reason. */
  readonly counts: Readonly<Partial<Record<ProblemKind, number>>>;
  readonly seconds: number;
}

/** An imported dataset by its name. */
export interface DatasetRequest {
  readonly data: string;
}

export interface ShowDataRequest extends DatasetRequest {
  /** Absent: of the dataset as a whole. */
  readonly row?: number;
  /** As the row was after this change. */
  readonly revision?: number;
  /** With a model, the row's tokens as that will see them. */
  readonly model?: string;
  readonly maxLength?: number;
}
export interface ShowDataResult {
  readonly dataset: DatasetSummary;
  /** Of the dataset as a whole. */
  readonly split?: { readonly rule: SplitRule; readonly train: number; readonly eval: number };
  readonly row?: RowView;
}
export interface RowView {
  readonly row: number;
  readonly excluded: boolean;
  readonly tags: readonly string[];
  readonly note?: string;
  readonly side?: 'train' | 'eval';
  /** With a prompt that stands in both answers split off. */
  readonly prompt: Text;
  /** Fields by name: chosen and rejected, or completion. */
  readonly answers: Readonly<Record<string, Text>>;
  /** The task's right answer. */
  readonly answer?: string;
  readonly tokens?: TokenView;
}
/** What a model sees of a row: a sequence for each answer. */
export interface TokenView {
  readonly maxLength: number;
  /** Why the row is not trained on. */
  readonly skipped?: string;
  /** Text of the prompt's end that merges with an answer's beginning. */
  readonly shifted?: string;
  readonly sequences: readonly TokenSequence[];
}
export interface TokenSequence {
  /** chosen, rejected or completion. */
  readonly name: string;
  readonly tokens: readonly TokenPiece[];
}
export interface TokenPiece {
  readonly id: number;
  readonly text: string;
  /** `context` is only read, `trained` counts in the loss, `cut` lies beyond the maximum length. */
  readonly role: 'context' | 'trained' | 'cut';
}

export interface SearchDataRequest extends DatasetRequest {
  /** Words, "phrases in quotes" and beginnings of words* that must all occur. */
  readonly query: string;
  readonly field?: 'prompt' | 'chosen' | 'rejected';
  readonly limit: number;
}
export interface SearchDataResult {
  /** Rows found in all, excluded ones among them. */
  readonly total: number;
  /** Best first. */
  readonly hits: readonly {
    readonly row: number;
    readonly excluded: boolean;
    readonly field: string;
    readonly snippet: string;
  }[];
}

/** Rows of a dataset; all that is given must hold. */
export interface RowSelection {
  /** First and last of each range. */
  readonly rows?: readonly (readonly [number, number])[];
  readonly search?: string;
  readonly tagged?: string;
  /** Rows that repeat an earlier row exactly. */
  readonly repeats?: boolean;
}
export interface MarkDataRequest extends DatasetRequest {
  readonly select: RowSelection;
  readonly mark:
    | { readonly kind: 'exclude' | 'include' }
    | { readonly kind: 'tag' | 'untag'; readonly tag: string }
    /** Null takes the note away. */
    | { readonly kind: 'note'; readonly note: string | null };
}
export interface EditDataRequest extends DatasetRequest {
  readonly row: number;
  /** Fields by name; null takes one away. */
  readonly set: Readonly<Record<string, unknown>>;
  /** Chosen and rejected change places. */
  readonly swap?: boolean;
}
export interface ChangeDataResult {
  readonly data: string;
  readonly revision: number;
  /** Rows changed; with 0 there is no new revision. */
  readonly rows: number;
}

export interface ChangeView {
  readonly revision: number;
  readonly change: DatasetChange;
  readonly rows: number;
  /** The first few of them. */
  readonly some: readonly number[];
  readonly undone: boolean;
  readonly at: string;
}
export interface DataHistoryResult {
  readonly data: string;
  /** Oldest first. */
  readonly changes: readonly ChangeView[];
}
export interface UndoDataResult {
  readonly data: string;
  readonly revision: number;
  readonly undone: ChangeView;
}

export interface SplitDataRequest extends DatasetRequest {
  readonly by:
    | { readonly share: number; readonly seed: number }
    /** Values that stand for evaluation; default: eval, evaluation, validation, valid, val, dev, test, held-out. */
    | { readonly column: string; readonly evalValues?: readonly string[] };
}
export interface SplitDataResult {
  readonly data: string;
  readonly revision: number;
  readonly rule: SplitRule;
  /** Rows on each side that are not excluded. */
  readonly train: number;
  readonly eval: number;
  /** Rows that the column put on the eval side, moved to train since their prompt is trained on. */
  readonly moved: number;
}

export interface RemoveDataRequest extends DatasetRequest {
  /** Without, it is only said what would go. */
  readonly yes: boolean;
}
export interface RemoveDataResult {
  readonly dataset: DatasetSummary;
  /** Runs that were trained on it, in any of its revisions. */
  readonly runs: readonly number[];
  readonly removed: boolean;
}

export interface PreviewDataRequest extends DataFormatRequest {
  readonly path: string;
}
/** The first records of a file as they stand in it, for mapping columns. */
export interface PreviewDataResult {
  /** Absent where none was recognised. */
  readonly format?: FormatName;
  /** Names of columns, nested ones by paths (`choices.0.text`). */
  readonly columns: readonly string[];
  /** Values as text, cut to 300 characters, by column. */
  readonly records: readonly Readonly<Record<string, string>>[];
  /** Why no format fits. */
  readonly problem?: string;
}

/** Rows of a dataset as a table shows them. */
export interface RowsRequest extends DatasetRequest {
  readonly from: number;
  /** At most 500. */
  readonly limit: number;
  readonly filter?: RowFilter;
}
export interface RowFilter {
  readonly search?: string;
  readonly tagged?: string;
  readonly side?: 'train' | 'eval';
  readonly marked?: 'excluded' | 'included' | 'noted';
}
/** A row in a table: texts on one line, cut to 300 characters. */
export interface RowLine {
  /** Place among the rows that the filter leaves. */
  readonly place: number;
  readonly row: number;
  readonly excluded: boolean;
  readonly tags: readonly string[];
  readonly note?: string;
  readonly side?: 'train' | 'eval';
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected?: string;
}
export interface RowsResult {
  /** Rows that the filter leaves, of all. */
  readonly total: number;
  readonly lines: readonly RowLine[];
}

export interface ExportDataRequest extends DatasetRequest {
  /** JSONL in TRL's form. */
  readonly out: string;
}
export interface ExportDataResult {
  readonly out: string;
  /** Rows written: those that are not excluded. */
  readonly rows: number;
  /** The dataset's as it was written. */
  readonly revision: number;
}

export interface DataServices {
  /** The first twenty records of a file, before anything is made of them. */
  previewData(request: PreviewDataRequest, call?: CallOptions): Promise<PreviewDataResult>;
  /** A page of a dataset's rows by place. */
  dataRows(request: RowsRequest, call?: CallOptions): Promise<RowsResult>;
  exportData(request: ExportDataRequest, call?: CallOptions): Promise<ExportDataResult>;
  addData(request: AddDataRequest, call?: CallOptions): Promise<AddDataResult>;
  listData(): Promise<ListDataResult>;
  checkData(request: CheckDataRequest, call?: CallOptions): Promise<CheckDataResult>;
  convertData(request: ConvertDataRequest, call?: CallOptions): Promise<ConvertDataResult>;
  showData(request: ShowDataRequest, call?: CallOptions): Promise<ShowDataResult>;
  searchData(request: SearchDataRequest, call?: CallOptions): Promise<SearchDataResult>;
  editData(request: EditDataRequest): Promise<ChangeDataResult>;
  markData(request: MarkDataRequest, call?: CallOptions): Promise<ChangeDataResult>;
  dataHistory(request: DatasetRequest): Promise<DataHistoryResult>;
  undoData(request: DatasetRequest): Promise<UndoDataResult>;
  splitData(request: SplitDataRequest, call?: CallOptions): Promise<SplitDataResult>;
  dataDuplicates(request: DuplicatesRequest, call?: CallOptions): Promise<DuplicatesResult>;
  dataLengths(request: LengthsRequest, call?: CallOptions): Promise<LengthsResult>;
  dataLeaks(request: LeaksRequest, call?: CallOptions): Promise<LeaksResult>;
  removeData(request: RemoveDataRequest): Promise<RemoveDataResult>;
}
