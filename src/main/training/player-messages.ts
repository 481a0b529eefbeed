import type { GeneratedPiece, ScoreTextResult } from '../../shared/contract.ts';
import type { StartPlace, WorkerError } from './job.ts';
import type { Completion, PolicyPlace, Prompt } from './playground.ts';

/** What is asked of a model at hand. */
export type PlayerRequest =
  | { readonly kind: 'generate'; readonly policy: PolicyPlace; readonly request: Prompt }
  | { readonly kind: 'score'; readonly policy: PolicyPlace; readonly request: Completion };

/** To the process that keeps a model. */
export type ToPlayer =
  /** First, once. */
  | {
      readonly kind: 'open';
      readonly start: StartPlace;
      readonly threads?: number | undefined;
      readonly mostSessions?: number | undefined;
    }
  | { readonly kind: 'ask'; readonly id: number; readonly request: PlayerRequest }
  | { readonly kind: 'cancel'; readonly id: number };

export interface PlayedText {
  readonly text: string;
  readonly promptTokens: number;
  readonly tokens: number;
  readonly finish: 'end' | 'length';
}

/** From it. Every request is answered once, by anything but a piece. */
export type FromPlayer =
  | { readonly kind: 'piece'; readonly id: number; readonly piece: GeneratedPiece }
  | { readonly kind: 'done'; readonly id: number; readonly result: PlayedText | ScoreTextResult }
  | { readonly kind: 'failed'; readonly id: number; readonly error: WorkerError }
  | { readonly kind: 'cancelled'; readonly id: number }
  /** It would take a session too many: to be asked of another process. */
  | { readonly kind: 'full'; readonly id: number };
