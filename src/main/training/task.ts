import type { Evaluation, TaskEvaluation } from '../../shared/comparison.ts';
import { InputError } from '../../shared/errors.ts';
import { generationMeasures } from '../../shared/generation-measures.ts';
import { splitImplicitPrompt } from '../../shared/implicit-prompt.ts';
import { sha256OfFile } from '../formats/files.ts';
import { tokenizePrompt } from '../engine/tokens/pairs.ts';
import type { Tokenizer } from '../engine/tokens/tokenizer.ts';
import { readQuestions, type Question } from '../formats/questions.ts';
import type { Store } from '../store/database.ts';
import { resolveData } from './data.ts';
import { Answerer, type DecodingOptions } from './decode.ts';
import type { OpenModel, Policy } from './model.ts';
import type { CallOptions } from '../../shared/contract.ts';
import { asBar } from './progress.ts';
import { hashOf } from './recall.ts';
import { isExactMatch } from './tasks.ts';

/** Answers shown side by side in a report. */
const samplesKept = 12;

/** What answering a task's questions finds. */
export interface TaskFindings extends Required<Pick<Evaluation, 'generation'>> {
  readonly task: TaskEvaluation;
}

/** Exact match on questions by greedy generation: the same questions, session and order for every model. */
export class TaskRunner {
  readonly #questions: readonly Question[];
  readonly #answerer: Answerer;
  readonly #starts = new Map<string, TaskFindings>();

  private constructor(questions: readonly Question[], answerer: Answerer) {
    this.#questions = questions;
    this.#answerer = answerer;
  }

  /** Token ids of each question as it is asked. */
  get prompts(): readonly Int32Array[] {
    return this.#answerer.prompts;
  }

  static async open(
    model: OpenModel,
    trainable: Policy['trainable'],
    questions: readonly TokenizedQuestion[],
    options: DecodingOptions,
  ): Promise<TaskRunner> {
    const prompts = questions.map(({ tokens }) => Int32Array.from(tokens));
    return new TaskRunner(questions, await Answerer.openFor(model, trainable, prompts, options));
  }

  /**
   * @param parameters trained numbers; absent for the base
   * @throws NonFiniteLogitsError (training/decode) where they have diverged
   */
  async evaluate(parameters: Float32Array | undefined, call: CallOptions): Promise<TaskFindings> {
    const answers = await this.#answerer.answer(parameters, asBar(call, 'answering questions', 'answers'));
    const outputs = answers.map(({ text }) => text);
    const perQuestion = outputs.map((output, place) => isExactMatch(output, this.#questions[place]!.answer));
    const task: TaskEvaluation = {
      questions: perQuestion.length,
      correct: perQuestion.filter(Boolean).length,
      perQuestion,
      samples: outputs.slice(0, samplesKept).map((output, place) => ({
        question: questionText(this.#questions[place]!),
        expected: this.#questions[place]!.answer,
        output,
        correct: perQuestion[place]!,
      })),
    };
    const measured = answers.map(({ tokens, isCut, repetition }) => ({
      tokens: tokens.length,
      isCut,
      repetition,
    }));
    return { task, generation: generationMeasures(measured, 'greedy') };
  }

  /** As `Answerer.contextHash`, of what `evaluate` finds. */
  contextHash(policy: string): string {
    const asked = this.#questions.map((question) => [questionText(question), question.answer]);
    return hashOf([this.#answerer.contextHash(policy), asked]);
  }

  /** As `evaluate`, once for all runs that start from what `key` names. */
  async evaluateStart(key: string, ...given: Parameters<TaskRunner['evaluate']>): Promise<TaskFindings> {
    if (!this.#starts.has(key)) this.#starts.set(key, await this.evaluate(...given));
    return this.#starts.get(key)!;
  }

  /** As `Answerer.rehearse` (training/decode). */
  rehearse(...given: Parameters<Answerer['rehearse']>): ReturnType<Answerer['rehearse']> {
    return this.#answerer.rehearse(...given);
  }

  release(): Promise<void> {
    return this.#answerer.release();
  }
}

/** A question with the token ids that it is asked by. */
export type TokenizedQuestion = Question & { readonly tokens: readonly number[] };

/**
 * Questions of an imported dataset, whose rows with an answer are asked, or of a file. With a chat template a plain
 * `question` of a file is asked as a user's message.
 * @returns the questions, and a hash of where they come from
 * @throws InputError where there is neither, or nothing can be asked
 */
export async function resolveQuestions(
  store: Store,
  nameOrPath: string,
  tokenizer: Tokenizer,
): Promise<{ readonly questions: readonly TokenizedQuestion[]; readonly hash: string }> {
  const tokenized = (question: Question): TokenizedQuestion => {
    const { index, prompt, answer } = question;
    const row = { kind: 'completion', index, prompt, completion: answer } as const;
    return { ...question, tokens: tokenizePrompt(row, tokenizer) };
  };
  if (!store.datasets.findByName(nameOrPath)) {
    const read = readQuestions(nameOrPath, tokenizer.chatTemplate !== undefined);
    return { questions: read.map(tokenized), hash: sha256OfFile(nameOrPath) };
  }
  const { rows, hash } = await resolveData(store, nameOrPath);
  const questions = rows.flatMap((row) => {
    if (row.answer === undefined) return [];
    const prompt =
      row.prompt ??
      (row.kind === 'preference' ? splitImplicitPrompt(row.chosen, row.rejected).prompt : undefined);
    if (prompt === undefined || prompt.length === 0)
      throw new InputError('has an answer but no prompt to ask', { file: nameOrPath, row: row.index });
    return [{ index: row.index, prompt, answer: row.answer }];
  });
  if (questions.length === 0)
    throw new InputError('no row has an answer that a question could be held against', { file: nameOrPath });
  return { questions: questions.map(tokenized), hash };
}

function questionText({ prompt }: Question): string {
  return typeof prompt === 'string' ? prompt : (prompt.at(-1)?.content ?? '');
}
