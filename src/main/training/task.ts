import type { TaskEvaluation } from '../../shared/comparison.ts';
import { readQuestions, type Question } from '../formats/questions.ts';
import { Answerer } from './decode.ts';
import type { OpenModel, Policy } from './model.ts';
import type { CallOptions } from '../../shared/contract.ts';
import { asBar } from './progress.ts';
import { isExactMatch } from './tasks.ts';

/** Answers shown side by side in a report. */
const samplesKept = 12;

/** Exact match on questions by greedy generation: the same questions, session and order for every model. */
export class TaskRunner {
  readonly #questions: readonly Question[];
  readonly #answerer: Answerer;

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
    file: string,
    options: { readonly maxTokens: number; readonly threads?: number | undefined },
  ): Promise<TaskRunner> {
    const questions = readQuestions(file, model.tokenizer.chatTemplate !== undefined);
    return new TaskRunner(questions, await Answerer.open(model, trainable, questions, options));
  }

  /**
   * @param parameters trained numbers; absent for the base
   * @throws NonFiniteLogitsError (training/decode) where they have diverged
   */
  async evaluate(parameters: Float32Array | undefined, call: CallOptions): Promise<TaskEvaluation> {
    const outputs = await this.#answerer.answer(parameters, asBar(call, 'answering questions', 'answers'));
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

  /** As `Answerer.rehearse` (training/decode). */
  rehearse(...given: Parameters<Answerer['rehearse']>): ReturnType<Answerer['rehearse']> {
    return this.#answerer.rehearse(...given);
  }

  release(): Promise<void> {
    return this.#answerer.release();
  }
}

function questionText({ prompt }: Question): string {
  return typeof prompt === 'string' ? prompt : (prompt.at(-1)?.content ?? '');
}
