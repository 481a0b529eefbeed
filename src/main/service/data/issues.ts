import type { DataIssue } from '../../../shared/contract.ts';
import type { ProblemKind } from '../../../shared/preferences.ts';

/** Issues of one kind that are kept; all are counted. */
const mostKept = 1000;

const longest = 300;

/** A record as JSON, cut to 300 characters. */
function recordText(source: unknown): string {
  const text = JSON.stringify(source, (_key, part: unknown) =>
    typeof part === 'bigint' ? String(part) : typeof part === 'string' ? part.slice(0, longest) : part,
  );
  return text.slice(0, longest).toWellFormed();
}

/** Issues by row and kind, in bounded memory. */
export class IssueList {
  readonly #kept: DataIssue[] = [];
  readonly #counts: Partial<Record<ProblemKind, number>> = {};

  /** @param source the record or row, of which the issue keeps the beginning */
  add(row: number, kind: ProblemKind, message: string, source?: unknown): void {
    const count = (this.#counts[kind] ?? 0) + 1;
    this.#counts[kind] = count;
    if (count > mostKept) return;
    const record = source === undefined ? {} : { record: recordText(source) };
    this.#kept.push({ row, kind, message, ...record });
  }

  get counts(): Readonly<Partial<Record<ProblemKind, number>>> {
    return this.#counts;
  }

  /** In the file's order. */
  get inOrder(): readonly DataIssue[] {
    return this.#kept.toSorted((a, b) => a.row - b.row);
  }
}
