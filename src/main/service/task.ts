import type { TaskEvaluation } from '../../shared/comparison.ts';
import { Generator } from '../engine/generate/generator.ts';
import { tokenizePrompt } from '../engine/tokens/pairs.ts';
import type { Trainable } from '../engine/train/graphs.ts';
import { readQuestions, type Question } from '../formats/questions.ts';
import type { OpenModel } from '../training/model.ts';
import type { CallOptions } from './contract.ts';
import { isExactMatch } from './tasks.ts';

/** Answers shown side by side in a report. */
const samplesKept = 12;
const questionsAtOnce = 16;

/** Ids that end a model's answer. */
export function endTokens(model: OpenModel): number[] {
  return [...new Set([...model.source.config.eosTokenIds, model.tokenizer.eosTokenId])];
}

/** Exact match on questions by greedy generation: the same questions, session and order for every model. */
export class TaskRunner {
  readonly #model: OpenModel;
  readonly #questions: readonly Question[];
  /** Token ids of each question as it is asked. */
  readonly prompts: readonly Int32Array[];
  readonly #generator: Generator;
  readonly #maxTokens: number;

  private constructor(
    model: OpenModel,
    questions: readonly Question[],
    prompts: readonly Int32Array[],
    generator: Generator,
    maxTokens: number,
  ) {
    this.#model = model;
    this.#questions = questions;
    this.prompts = prompts;
    this.#generator = generator;
    this.#maxTokens = maxTokens;
  }

  static async open(
    model: OpenModel,
    trainable: Trainable,
    file: string,
    options: { readonly maxTokens: number; readonly threads?: number },
  ): Promise<TaskRunner> {
    const questions = readQuestions(file, model.tokenizer.chatTemplate !== undefined);
    const prompts = questions.map(({ index, prompt, answer }) =>
      Int32Array.from(
        tokenizePrompt({ kind: 'completion', index, prompt, completion: answer }, model.tokenizer),
      ),
    );
    const longest = prompts.reduce((most, prompt) => Math.max(most, prompt.length), 0);
    const generator = await Generator.create(model.source, trainable, {
      batch: Math.min(questionsAtOnce, prompts.length),
      maxLength: longest + options.maxTokens,
      ...(options.threads === undefined ? {} : { threads: options.threads }),
    });
    return new TaskRunner(model, questions, prompts, generator, options.maxTokens);
  }

  /** @param parameters trained numbers; absent for the base */
  async evaluate(parameters: Float32Array | undefined, call: CallOptions): Promise<TaskEvaluation> {
    let done = 0;
    const end = new Set(endTokens(this.#model));
    const generated = await this.#generator.generate(this.prompts, {
      ...(parameters ? { parameters } : {}),
      maxTokens: this.#maxTokens,
      temperature: 0,
      topP: 1,
      seed: 0,
      eosTokenIds: [...end],
      ...(call.signal ? { signal: call.signal } : {}),
      onToken: (_sequence, token) => {
        if (!end.has(token)) return;
        done += 1;
        const total = this.prompts.length;
        call.onProgress?.({ kind: 'progress', label: 'answering questions', done, total, unit: 'answers' });
      },
    });
    const outputs = generated.map(({ tokens }) =>
      this.#model.tokenizer.decode(tokens, { skipSpecialTokens: true }).trim(),
    );
    const perQuestion = outputs.map((output, place) => isExactMatch(output, this.#questions[place]!.answer));
    return {
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
  }

  async release(): Promise<void> {
    await this.#generator.release();
  }
}

function questionText({ prompt }: Question): string {
  return typeof prompt === 'string' ? prompt : (prompt.at(-1)?.content ?? '');
}
