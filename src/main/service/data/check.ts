import { InputError } from '../../../shared/errors.ts';
import type { DataRow } from '../../../shared/preferences.ts';
import type { ReadRow } from '../../formats/preferences.ts';
import { inspectRow } from '../../training/inspect.ts';
import type { OpenModel } from '../../training/model.ts';
import type { CallOptions, CheckDataRequest, CheckDataResult } from '../../../shared/contract.ts';
import { resolveModel, type Library } from '../library.ts';
import { FileChecks } from './file-checks.ts';
import { IssueList } from './issues.ts';
import { Lengths } from './lengths.ts';
import { openRequested } from './read.ts';
import { rowFindings } from './row-checks.ts';
import { plainText } from '../../../shared/row-texts.ts';
import { partsOf } from './row-texts.ts';

/** Looks through a data file, row by row, and imports nothing; a million pairs take some 100 MB. */
export async function checkData(
  library: Library,
  request: CheckDataRequest,
  call: CallOptions,
): Promise<CheckDataResult> {
  const started = performance.now();
  const opened = await openRequested(request.path, request, 'checking rows', call);
  try {
    const model = request.model === undefined ? undefined : await resolveModel(library, request.model, call);
    const check = new DataCheck(model, request.maxLength);
    let next = 0;
    try {
      for await (const read of opened.rows) {
        next = ('problem' in read ? read.problem.row : read.row.index) + 1;
        check.add(read);
      }
    } catch (error) {
      // Where a file cannot be read on, what was read before is told as well.
      const isBroken = error instanceof InputError && error.place.file === request.path && next > 0;
      if (!isBroken) throw error;
      const cause = error.message.slice(error.message.indexOf(': ') + 2);
      check.issues.add(error.place.row ?? next, 'malformed', `${cause}; nothing after this was read`);
    }
    const { format, kind, conversational } = opened;
    return {
      format,
      kind,
      conversational,
      ...check.result(),
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    await opened.close();
  }
}

/** What is gathered on the way through a file. */
class DataCheck {
  readonly issues = new IssueList();
  readonly #model: OpenModel | undefined;
  readonly #maxLength: number;
  readonly #file = new FileChecks();
  readonly #characters = new Lengths();
  readonly #tokens = new Lengths();
  #rows = 0;
  #bad = 0;
  #answers = 0;
  #pairs = 0;
  #chosenLonger = 0;

  constructor(model: OpenModel | undefined, maxLength = Infinity) {
    this.#model = model;
    this.#maxLength = maxLength;
  }

  add(read: ReadRow): void {
    this.#rows += 1;
    if ('problem' in read) {
      const { row, kind, message } = read.problem;
      this.#bad += 1;
      this.issues.add(row, kind, message, read.source);
      return;
    }
    const { row, scores } = read;
    // As JSON, what is undefined is not there.
    const source = { ...row, kind: undefined, index: undefined };
    const parts = partsOf(row);
    for (const [kind, message] of [...rowFindings(row, parts, scores), ...this.#file.add(row, parts)])
      this.issues.add(row.index, kind, message, source);
    if (row.answer !== undefined) this.#answers += 1;
    const lengths = parts.answers.map(({ text }) => plainText(text).length);
    this.#characters.add('prompt', plainText(parts.prompt).length);
    parts.answers.forEach(({ name }, at) => this.#characters.add(name, lengths[at]!));
    const [chosen, rejected] = lengths;
    if (rejected !== undefined) {
      this.#pairs += 1;
      if (chosen! > rejected) this.#chosenLonger += 1;
    }
    if (this.#model !== undefined) this.#addTokens(row, this.#model, source);
  }

  #addTokens(row: DataRow, { tokenizer }: OpenModel, source: object): void {
    const found = inspectRow(row, tokenizer);
    if ('reason' in found) {
      this.issues.add(row.index, 'malformed', `cannot be tokenised: ${found.reason}`, source);
      return;
    }
    const { prompt, answers, shift } = found;
    this.#tokens.add('prompt', prompt);
    for (const [name, count] of Object.entries(answers)) this.#tokens.add(name, count);
    if (shift !== undefined) {
      const many = shift.tokens === 1 ? 'token merges' : `${shift.tokens} tokens merge`;
      this.issues.add(
        row.index,
        'boundary-shift',
        `the prompt's last ${many} with an answer: ${JSON.stringify(shift.text)}`,
        source,
      );
    }
    const cause = tooLong(prompt, answers, this.#maxLength);
    if (cause !== undefined) this.issues.add(row.index, 'too-long', cause, source);
  }

  result(): Pick<CheckDataResult, 'pairs' | 'issues' | 'counts' | 'stats'> {
    for (const [row, [kind, message]] of this.#file.end()) this.issues.add(row, kind, message);
    const { counts } = this.issues;
    const rows = this.#rows;
    return {
      pairs: rows - this.#bad,
      issues: this.issues.inOrder,
      counts,
      stats: {
        rows,
        badRows: this.#bad,
        distinctPrompts: this.#file.distinctPrompts,
        tieShare: (counts.tie ?? 0) / rows,
        duplicateShare: (counts.duplicate ?? 0) / rows,
        ...(this.#pairs > 0 ? { chosenLongerShare: this.#chosenLonger / this.#pairs } : {}),
        answers: this.#answers,
        characters: this.#characters.summaries(),
        ...(this.#model === undefined ? {} : { tokens: this.#tokens.summaries() }),
      },
    };
  }
}

/** How a row would be cut, as training cuts it: answers lose their end, a prompt that fills the length the whole row. */
function tooLong(
  prompt: number,
  answers: Readonly<Record<string, number>>,
  maxLength: number,
): string | undefined {
  if (prompt >= maxLength) return `the prompt alone has ${prompt} tokens: the row would be left out`;
  const cut = Object.entries(answers)
    .filter(([, count]) => prompt + count > maxLength)
    .map(([name, count]) => `${name} would lose ${prompt + count - maxLength} of ${count} tokens`);
  return cut.length === 0 ? undefined : cut.join(', ');
}
