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
