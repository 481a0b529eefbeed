import type { CallOptions } from '../contract.ts';
import type { JudgingStatistics, Side, Vote } from '../judging.ts';
import type { Text } from '../preferences.ts';
import type { DatasetSummary } from './data.ts';
import type { Policy } from './playground.ts';

/** Where the prompts of a judging come from; each is judged once, however often it stands there. */
export type JudgingPrompts =
  /** A dataset's rows that are not excluded; `train` and `eval` need a split. */
  | { readonly data: string; readonly side: 'all' | 'train' | 'eval' }
  /** The prompts that a comparison held out of training. */
  | { readonly comparison: number }
  | { readonly texts: readonly string[] };

export interface StartJudgingRequest {
  readonly project?: string;
  /** Default: what is judged, in words. */
  readonly name?: string;
  readonly policies: readonly [Policy, Policy];
  readonly prompts: JudgingPrompts;
  /** Prompts drawn at most; default: all. */
  readonly most?: number;
  /** Put prompts that are text as a user's message through the chat template; conversations always go through it. */
  readonly chat: boolean;
  readonly maxTokens: number;
  /** 0: greedy. */
  readonly temperature: number;
  readonly topP: number;
  /** Of the sampling, the choice and order of prompts, and the sides; drawn if absent. */
  readonly seed?: number;
}

/** What generates one of the two answers, pinned to its content. */
export interface JudgedPolicy {
  readonly policy: Policy;
  /** In words: `small`, `run 3 at step 40 (minor-dpo, lr 5e-6, seed 0)`. */
  readonly label: string;
  /** SHA-256 of the model that it is or that it was trained on. */
  readonly hash: string;
  /** SHA-256 of a run's checkpoint. */
  readonly checkpoint?: string;
}

/** Says nothing of sides, nor what they could be drawn again from. */
export interface JudgingSummary {
  readonly id: number;
  readonly name: string;
  readonly project: string;
  readonly policies: readonly [JudgedPolicy, JudgedPolicy];
  readonly prompts: JudgingPrompts;
  readonly items: number;
  /** Items with both answers. */
  readonly ready: number;
  readonly voted: number;
  /** The sides have been told, and votes stand. */
  readonly revealed: boolean;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}
export interface ListJudgingsRequest {
  readonly project?: string;
}
export interface ListJudgingsResult {
  /** By ascending number. */
  readonly judgings: readonly JudgingSummary[];
}

export interface JudgingRequest {
  readonly judging: number;
}
export interface ShowJudgingRequest extends JudgingRequest {
  /** Default: the first that has no vote, else the last. */
  readonly item?: number;
}
export interface JudgingItemView {
  /** Counted from 0. */
  readonly item: number;
  readonly prompt: Text;
  /** Absent until they are generated. */
  readonly answers?: { readonly a: string; readonly b: string };
  readonly vote: Vote | null;
  /** Where the first policy's answer stands; only after the sides were told. */
  readonly first?: Side;
}
export interface JudgingView extends JudgingSummary {
  readonly item: JudgingItemView;
  /** Of every item in their order. */
  readonly votes: readonly (Vote | null)[];
}

export interface PrepareJudgingRequest extends JudgingRequest {
  /** Only this many of the next items without a vote; default: all. */
  readonly ahead?: number;
}
export interface VoteRequest extends JudgingRequest {
  readonly item: number;
  /** Null takes a vote away. */
  readonly vote: Vote | null;
}
export interface JudgingResultRequest extends JudgingRequest {
  /** End the judging although items are without a vote. */
  readonly early?: boolean;
}
export interface JudgingResult extends JudgingSummary {
  readonly seed: number;
  readonly settings: JudgingSettings;
  /** The first policy is the one whose share is told. */
  readonly statistics: JudgingStatistics;
  readonly judged: readonly JudgingItemView[];
}
export interface JudgingSettings {
  readonly chat: boolean;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
}
export interface JudgingToDataRequest extends JudgingRequest {
  /** Default: `judged-N`. */
  readonly name?: string;
}
export interface JudgingToDataResult {
  readonly dataset: DatasetSummary;
  /** Votes that make no pair: ties, both bad, skipped. */
  readonly leftOut: number;
  /** Votes for answers of which the chosen or the rejected one is empty, or which are equal. */
  readonly unusable: number;
}
export interface RemoveJudgingRequest extends JudgingRequest {
  /** Without, it is only shown what would go. */
  readonly confirmed: boolean;
}
export interface RemoveJudgingResult {
  readonly judging: JudgingSummary;
  readonly removed: boolean;
}

/**
 * Blind judging: two policies answer the same prompts, and a person says which answer is better without knowing whose it is.
 * Sides are drawn by a stream of their own; nothing tells of them before `judgingResult` has.
 */
export interface JudgingServices {
  /** Draws prompts and sides; `prepareJudging` generates the answers. */
  startJudging(request: StartJudgingRequest, call?: CallOptions): Promise<JudgingSummary>;
  listJudgings(request: ListJudgingsRequest): Promise<ListJudgingsResult>;
  showJudging(request: ShowJudgingRequest): Promise<JudgingView>;
  /** Generates answers that are not there yet. What was cut off is done again, the rest is kept. */
  prepareJudging(request: PrepareJudgingRequest, call?: CallOptions): Promise<JudgingSummary>;
  /** Votes, votes again or takes a vote away, and shows the next item without one. */
  vote(request: VoteRequest): Promise<JudgingView>;
  /** Takes the last vote back and shows its item. */
  undoVote(request: JudgingRequest): Promise<JudgingView>;
  /** Tells the sides and what the votes say. From then on they stand. */
  judgingResult(request: JudgingResultRequest): Promise<JudgingResult>;
  /** Makes a dataset of preference pairs, tagged `judged`, of the votes for A or B. */
  judgingToData(request: JudgingToDataRequest): Promise<JudgingToDataResult>;
  removeJudging(request: RemoveJudgingRequest): Promise<RemoveJudgingResult>;
}
