import { totalmem } from 'node:os';
import type { RunConfig } from '../../shared/config.ts';
import type { GeneratedPiece, GenerateSettings, ScoreTextResult } from '../../shared/contract.ts';
import { InputError } from '../../shared/errors.ts';
import type { Text } from '../../shared/preferences.ts';
import { Generator, type Generated } from '../engine/generate/generator.ts';
import { tokenizeChat } from '../engine/tokens/chat-template.ts';
import { tokenizeCompletions } from '../engine/tokens/pairs.ts';
import type { Tokenizer } from '../engine/tokens/tokenizer.ts';
import type { Trainable } from '../engine/train/graphs.ts';
import { readParameters } from './checkpoint.ts';
import { endTokens } from './decode.ts';
import type { CheckpointPlace } from './job.ts';
import { loadPolicy, parametersOf, trainableOf, type OpenModel, type Policy } from './model.ts';

/** What is put on a model: nothing, a PEFT adapter's folder, or a run's checkpoint. */
export type PolicyPlace =
  | { readonly kind: 'base' }
  | { readonly kind: 'adapter'; readonly folder: string }
  | { readonly kind: 'checkpoint'; readonly config: RunConfig; readonly checkpoint: CheckpointPlace };

export interface Prompt extends Omit<GenerateSettings, 'threads' | 'weights' | 'prompt'> {
  /** Text to continue, or a user's message where `chat`; a conversation goes through the chat template anyhow. */
  readonly prompt: Text;
}
export interface Completion {
  readonly prompt: Text;
  readonly chat: boolean;
  readonly completion: Text;
}

export interface PlaygroundOptions {
  /** Of one operation; absent lets the runtime choose. */
  readonly threads?: number | undefined;
  /** Sessions that may be opened; the first is opened however few. */
  readonly mostSessions?: number | undefined;
  /** Precision of the base's matrices in every session; float32 if absent. */
  readonly weights?: GenerateSettings['weights'];
}

export interface GenerateCall {
  readonly signal?: AbortSignal | undefined;
  /** Called with each piece; texts joined are the result's text, and every token is in one piece. */
  readonly onPiece?: ((piece: GeneratedPiece) => void) | undefined;
}

/** Another session would be one too many for this process: what was asked for is to be asked of a fresh one. */
export class PlaygroundFull extends Error {}

/** Sessions hold a copy of the weights each and leak in the runtime when they are released. */
const usualSessions = 4;
/** Share of the machine's memory above which no further session is opened. */
const fullestShare = 0.5;

/** Policies kept in memory: whichever of both is less. */
const mostPolicies = 8;
const mostPolicyBytes = 2 ** 30;

/** Positions that every session is ready for (where the model has so many): the tables cost next to nothing. */
const fewestPositions = 8192;

/** The last tokens before a scored text: decoders treat a text's first token in their own way. */
const contextTokens = 16;

interface OpenSession {
  readonly trainable: Trainable;
  readonly maxLength: number;
  readonly generator: Promise<Generator>;
}

/**
 * One model at hand for generating and scoring under its base, adapters and checkpoints. Calls may overlap: passes of the
 * runtime block the event loop, and between two tokens of one call every other has its turn.
 */
export class Playground {
  readonly model: OpenModel;
  readonly #threads: number | undefined;
  readonly #mostSessions: number;
  readonly #weights: PlaygroundOptions['weights'];
  readonly #sessions: OpenSession[] = [];
  /** By checkpoint, the one used last at the end. */
  readonly #policies = new Map<string, Policy>();

  constructor(model: OpenModel, { threads, mostSessions = usualSessions, weights }: PlaygroundOptions = {}) {
    this.model = model;
    this.#threads = threads;
    this.#mostSessions = mostSessions;
    this.#weights = weights;
  }

  /**
   * Continues one prompt.
   * @throws InputError for an empty prompt, one that fills the model's context, a chat where there is no template, and a
   *   policy that cannot be read or has diverged; PlaygroundFull; `signal.reason` when aborted
   */
  async generate(
    place: PolicyPlace,
    request: Prompt,
    { signal, onPiece }: GenerateCall = {},
  ): Promise<{ readonly text: string; readonly promptTokens: number } & Generated> {
    const { tokenizer, source } = this.model;
    const prompt = Int32Array.from(promptIds(tokenizer, request));
    if (prompt.length === 0) throw new InputError('the prompt is empty');
    const context = source.config.maxPositions;
    if (prompt.length >= context) {
      throw new InputError(
        `the prompt has ${prompt.length} tokens; this model's context is ${context} tokens`,
      );
    }
    const policy = this.#policy(place);
    const { maxTokens, temperature, topP, seed } = request;
    const generator = await this.#generator(policy, Math.min(prompt.length + maxTokens, context));
    const stream = tokenizer.decodeStream({ skipSpecialTokens: true });
    let text = '';
    let tokens: { id: number; logProb: number }[] = [];
    const give = (piece: string): void => {
      text += piece;
      onPiece?.({ text: piece, tokens });
      tokens = [];
    };
    const [generated] = await generator.generate([prompt], {
      parameters: policy?.parameters,
      maxTokens,
      temperature,
      topP,
      seed,
      eosTokenIds: endTokens(this.model),
      signal,
      logProbs: onPiece !== undefined,
      onToken: (_sequence, id, logProb) => {
        if (onPiece) tokens.push({ id, logProb });
        const piece = stream.push(id);
        if (piece !== '') give(piece);
      },
    });
    const rest = stream.end();
    if (rest !== '' || tokens.length > 0) give(rest);
    return { text, promptTokens: prompt.length, ...generated! };
  }

  /**
   * Log-probs of a completion's tokens, which are cut as training cuts them (`tokenizeCompletions`).
   * @throws as `generate`; InputError where there is no token to score
   */
  async score(
    place: PolicyPlace,
    request: Completion,
    { signal }: Pick<GenerateCall, 'signal'> = {},
  ): Promise<ScoreTextResult> {
    const { tokenizer, source } = this.model;
    const { prompt, completion } = completionIds(tokenizer, request);
    const length = prompt.length + completion.length;
    const context = source.config.maxPositions;
    if (length > context) {
      throw new InputError(
        `prompt and completion have ${length} tokens; this model's context is ${context} tokens`,
      );
    }
    const policy = this.#policy(place);
    const generator = await this.#generator(policy, length);
    const { parameters } = policy ?? {};
    const logProbs = await generator.score(prompt, completion, { parameters, signal });
    const stream = tokenizer.decodeStream();
    for (const id of prompt.subarray(-contextTokens)) stream.push(id);
    const texts = Array.from(completion, (id) => stream.push(id));
    texts[texts.length - 1]! += stream.end();
    return {
      tokens: logProbs.map((logProb, at) => ({ id: completion[at]!, text: texts[at]!, logProb })),
    };
  }

  /** To be called when no call is under way. */
  async release(): Promise<void> {
    for (const { generator } of this.#sessions.splice(0)) await (await generator).release();
  }

  /** Undefined for the base. */
  #policy(place: PolicyPlace): Policy | undefined {
    const { model } = this;
    if (place.kind === 'base') return undefined;
    if (place.kind === 'adapter') return loadPolicy(model, place.folder);
    const { checkpoint, config } = place;
    // Runs may share a checkpoint's file, but not what its numbers mean.
    const key = JSON.stringify([checkpoint.sha256, config.full, config.lora, config.initAdapter]);
    let policy = this.#policies.get(key);
    if (!policy) {
      const trainable = trainableOf(model, config);
      policy = { trainable, parameters: readParameters(checkpoint, parametersOf(model, trainable)) };
    }
    this.#policies.delete(key);
    this.#policies.set(key, policy);
    this.#forgetPolicies();
    return policy;
  }

  #forgetPolicies(): void {
    const bytes = (): number =>
      [...this.#policies.values()].reduce((sum, { parameters }) => sum + parameters.byteLength, 0);
    for (const key of this.#policies.keys()) {
      if (this.#policies.size === 1) return;
      if (this.#policies.size <= mostPolicies && bytes() <= mostPolicyBytes) return;
      this.#policies.delete(key);
    }
  }

  /** The session that has the policy's shape and room for so many tokens. */
  async #generator(policy: Policy | undefined, length: number): Promise<Generator> {
    const { source } = this.model;
    if (!policy && !source.weights)
      throw new InputError('a model that is trained from scratch has no base; choose a run');
    const trainable: Trainable = policy?.trainable ?? { kind: 'none' };
    const found = this.#sessions.find(
      (session) =>
        session.maxLength >= length &&
        // The base is any adapter's shape with zeros, which add exactly nothing.
        (policy ? shapeOf(session.trainable) === shapeOf(trainable) : session.trainable.kind !== 'full'),
    );
    if (found) return found.generator;
    if (this.#sessions.length > 0 && this.#isFull()) throw new PlaygroundFull();
    const maxLength = roundUp(length, source.config.maxPositions);
    const generator = Generator.create(source, trainable, {
      maxLength,
      threads: this.#threads,
      weights: this.#weights,
    });
    const session = { trainable, maxLength, generator };
    this.#sessions.push(session);
    try {
      return await generator;
    } catch (error) {
      this.#sessions.splice(this.#sessions.indexOf(session), 1);
      throw error;
    }
  }

  #isFull(): boolean {
    return (
      this.#sessions.length >= this.#mostSessions || process.memoryUsage.rss() > fullestShare * totalmem()
    );
  }
}

function roundUp(length: number, context: number): number {
  let positions = fewestPositions;
  while (positions < length) positions *= 2;
  return Math.min(positions, context);
}

function shapeOf(trainable: Trainable): string {
  if (trainable.kind !== 'lora') return trainable.kind;
  const { rank, scale, targets } = trainable;
  return JSON.stringify([rank, scale, targets.map(({ path }) => path)]);
}

function requireTemplate(tokenizer: Tokenizer): void {
  if (tokenizer.chatTemplate === undefined)
    throw new InputError('the model has no chat template; give the prompt as text, not as a chat');
}

function promptIds(tokenizer: Tokenizer, { prompt, chat }: Pick<Prompt, 'prompt' | 'chat'>): number[] {
  if (typeof prompt === 'string' && !chat) return tokenizer.encode(prompt);
  requireTemplate(tokenizer);
  const messages = typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : prompt;
  return tokenizeChat(tokenizer, messages, { addGenerationPrompt: true });
}

function completionIds(
  tokenizer: Tokenizer,
  { prompt, completion, chat }: Completion,
): { readonly prompt: Int32Array; readonly completion: Int32Array } {
  const isChat = chat || typeof prompt !== 'string' || typeof completion !== 'string';
  if (isChat) requireTemplate(tokenizer);
  const asMessages = (text: Text, role: 'user' | 'assistant'): Text =>
    typeof text === 'string' ? [{ role, content: text }] : text;
  const texts = isChat
    ? { prompt: asMessages(prompt, 'user'), completion: asMessages(completion, 'assistant') }
    : { prompt, completion };
  const { completions, skipped } = tokenizeCompletions(
    [{ kind: 'completion', index: 0, ...texts }],
    tokenizer,
  );
  const [ids] = completions;
  if (!ids) throw new InputError(skipped[0]?.reason ?? 'there is nothing to score');
  // Where nothing stands before it, the first token is predicted by nothing.
  if (ids.prompt.length > 0) return ids;
  return { prompt: ids.completion.subarray(0, 1), completion: ids.completion.subarray(1) };
}
