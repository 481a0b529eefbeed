/** One chat message, as chat templates take it. */
export interface Message {
  readonly role: string;
  readonly content: string;
}

/** Plain text, or a conversation that a chat template renders. */
export type Text = string | readonly Message[];

/** A preference pair: the chosen answer is preferred to the rejected one. */
export interface PreferenceRow {
  readonly kind: 'preference';
  /** The row's place in its file, counted from 0; it survives filtering. */
  readonly index: number;
  /** Absent where prompt and answers stand in one text (TRL's implicit prompt). */
  readonly prompt?: Text;
  readonly chosen: Text;
  readonly rejected: Text;
  /** The task's right answer, for exact match. */
  readonly answer?: string;
}

/** A prompt with one completion, for supervised fine-tuning. */
export interface CompletionRow {
  readonly kind: 'completion';
  readonly index: number;
  readonly prompt: Text;
  readonly completion: Text;
  readonly answer?: string;
}

export type DataRow = PreferenceRow | CompletionRow;

/** Row formats that are recognised, with what a row looks like. The readers of each lie in formats/preferences/formats. */
export const dataFormats = {
  trl: 'prompt, chosen, rejected (or prompt, completion), each text or chat messages; chosen and rejected may carry the prompt',
  'hh-rlhf': 'chosen and rejected as transcripts with "\\n\\nHuman:" and "\\n\\nAssistant:"',
  ultrafeedback: 'prompt as text, chosen and rejected as whole conversations, score_chosen, score_rejected',
  sharegpt: 'conversations of {from, value}, chosen and rejected as {from, value}',
  'alpaca-ranking': 'instruction, input, output as [better, worse]',
  alpaca: 'instruction, input, chosen, rejected',
  orca: 'system, question, chosen, rejected',
  distilabel: 'instruction, generations, ratings: best against worst',
  argilla: 'prompt, responses, values: best against worst',
  columns: 'columns named by --map',
} as const;
export type FormatName = keyof typeof dataFormats;
export const formatNames = Object.keys(dataFormats) as readonly FormatName[];

/** What columns can be mapped to; values are paths into a row, parted by dots (`choices.0.text`). */
export const mappableFields = [
  'prompt',
  'system',
  'chosen',
  'rejected',
  'completion',
  'answer',
  'chosen_score',
  'rejected_score',
] as const;
export type MappableField = (typeof mappableFields)[number];
export type ColumnMap = Readonly<Partial<Record<MappableField, string>>>;

/** What can be wrong with a row, and what a person can do about it. */
export const problemKinds = {
  malformed: 'mend these rows where they come from, or leave them out with --skip-bad',
  'missing-field': 'name the columns with --map, or leave these rows out',
  empty: 'leave out rows without a prompt or an answer',
  identical: 'leave out pairs whose answers are equal: they teach nothing',
  tie: 'leave out ties: neither answer is better',
  duplicate: 'keep one of each; a repeated pair counts as often as it stands there',
  'prompt-differs': 'see whether both answers belong to the same prompt',
  'role-order': 'let messages alternate between user and assistant, with the answer from the assistant',
  'truncated-completion':
    'ask for longer answers where the data are made: the model learns to stop where they do',
  'too-long': 'raise --max-length, or leave these rows out: their answers would be cut',
  'boundary-shift':
    'end the prompt without a space, or begin the answer with one, so that no token spans both',
  'swapped-suspect': 'read these rows: chosen and rejected may have changed places',
} as const;
export type ProblemKind = keyof typeof problemKinds;
