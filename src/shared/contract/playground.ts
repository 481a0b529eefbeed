import type { Text } from '../preferences.ts';

/** A base model, or a checkpoint of a run. */
export type Policy =
  | { readonly model: string }
  /** `step` absent: the last checkpoint. */
  | { readonly run: number; readonly step?: number };

export interface GenerateTextRequest {
  readonly policy: Policy;
  readonly prompt: string;
  /** Render the prompt as a user's message through the chat template. */
  readonly chat: boolean;
  readonly maxTokens: number;
  /** 0: greedy. */
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
}
export interface GenerateTextResult {
  readonly text: string;
  readonly promptTokens: number;
  readonly tokens: number;
  /** Why it ended: an end token; `maxTokens`, or the model's context was full. */
  readonly finish: 'end' | 'length';
  readonly seconds: number;
}

/** One piece of a generation: whole characters, and the tokens that came since the last piece. */
export interface GeneratedPiece {
  /** Empty only in the last piece, of which nothing but an end token may be left. */
  readonly text: string;
  /** `logProb` in nats, under the policy that generates, at temperature 1 whatever was sampled at. */
  readonly tokens: readonly { readonly id: number; readonly logProb: number }[];
}

export interface ScoreTextRequest {
  /** Also what c and r of a run are measured against. */
  readonly policy: Policy | { readonly referenceOf: number };
  /** Messages are rendered through the chat template, as the completion's then must be. */
  readonly prompt: Text;
  /** Texts are messages of user and assistant; else they are one text, ended by the end token. */
  readonly chat: boolean;
  readonly completion: Text;
}
export interface ScoreTextResult {
  /**
   * The completion's tokens that a loss would score, with what ends it. A character whose bytes are spread over several
   * tokens is the text of the last of them.
   */
  readonly tokens: readonly { readonly id: number; readonly text: string; readonly logProb: number }[];
}
