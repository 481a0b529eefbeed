import type { DataIssue } from '../../../shared/contract.ts';
import type { ProblemKind } from '../../../shared/preferences.ts';

/** Issues of one kind that are kept; all are counted. */
const mostKept = 1000;

/** Issues by row and kind, in bounded memory. */
export class IssueList {
  readonly #kept: DataIssue[] = [];
  readonly #counts: Partial<Record<ProblemKind, number>> = {};

  add(row: number, kind: ProblemKind, message: string): void {
    const count = (this.#counts[kind] ?? 0) + 1;
    this.#counts[kind] = count;
    if (count <= mostKept) this.#kept.push({ row, kind, message });
  }

  get counts(): Readonly<Partial<Record<ProblemKind, number>>> {
    return this.#counts;
  }

  /** In the file's order. */
  get inOrder(): readonly DataIssue[] {
    return this.#kept.toSorted((a, b) => a.row - b.row);
  }
}
