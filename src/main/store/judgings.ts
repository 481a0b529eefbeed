import type { Statement } from 'better-sqlite3';
import type { Vote } from '../../shared/judging.ts';
import type { Text } from '../../shared/preferences.ts';
import type { Connection } from './connection.ts';
import { decodeJson, encodeJson } from './json.ts';

/** Which place the first policy's answer is shown at: 0 as A, 1 as B. */
export type FirstSide = 0 | 1;

/** A judging as it is asked for. */
export interface NewJudging {
  readonly projectId: number;
  readonly name: string;
  /** What generates, with what it was by content; any JSON, as `prompts` and `settings`. */
  readonly policies: unknown;
  /** Where the prompts come from. */
  readonly prompts: unknown;
  /** How answers are sampled. */
  readonly settings: unknown;
  readonly seed: number;
}
export interface NewJudgingItem {
  readonly prompt: Text;
  readonly firstSide: FirstSide;
}

export interface Judging extends NewJudging {
  readonly id: number;
  /** Its name. */
  readonly project: string;
  readonly items: number;
  /** Items whose answers are there. */
  readonly ready: number;
  readonly voted: number;
  /** Milliseconds since 1970, as `revealedAt`. */
  readonly createdAt: number;
  /** When the sides were told; votes stand since. */
  readonly revealedAt: number | null;
}

export interface JudgingItem extends NewJudgingItem {
  readonly index: number;
  /** Of the first and the second policy; null before they are generated. */
  readonly outputs: readonly [string, string] | null;
  readonly vote: Vote | null;
}

type Stored = Omit<Judging, 'policies' | 'prompts' | 'settings'> & {
  readonly policies: string;
  readonly prompts: string;
  readonly settings: string;
};
interface StoredItem {
  readonly index: number;
  readonly prompt: string;
  readonly firstOutput: string | null;
  readonly secondOutput: string | null;
  readonly firstSide: FirstSide;
  readonly vote: Vote | null;
}

const columns = `judgings.id, project_id AS projectId, projects.name AS project, judgings.name, policies_json AS policies,
  prompts_json AS prompts, settings_json AS settings, seed, judgings.created_at AS createdAt, revealed_at AS revealedAt,
  (SELECT count(*) FROM judging_items WHERE judging_id = judgings.id) AS items,
  (SELECT count(first_output) FROM judging_items WHERE judging_id = judgings.id) AS ready,
  (SELECT count(vote) FROM judging_items WHERE judging_id = judgings.id) AS voted`;
const from = 'FROM judgings JOIN projects ON projects.id = judgings.project_id';
const itemColumns = `idx AS "index", prompt_json AS prompt, first_output AS firstOutput, second_output AS secondOutput,
  first_side AS firstSide, vote`;

/** Blind judgings: prompts, two policies' answers to each, which of them stands where, and the votes. */
export class Judgings {
  readonly #connection: Connection;
  readonly #insert: Statement<[number, string, string, string, string, number, number], { id: number }>;
  readonly #insertItem: Statement<[number, number, string, FirstSide]>;
  readonly #all: Statement<[], Stored>;
  readonly #byId: Statement<[number], Stored>;
  readonly #items: Statement<[number], StoredItem>;
  readonly #item: Statement<[number, number], StoredItem>;
  readonly #setOutputs: Statement<[string, string, number, number]>;
  readonly #setVote: Statement<[Vote | null, number | null, number, number]>;
  readonly #lastVoteAt: Statement<[number], number | null>;
  readonly #lastVoted: Statement<[number], number>;
  readonly #reveal: Statement<[number, number]>;
  readonly #delete: Statement<[number]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection.prepare(
      `INSERT INTO judgings (project_id, name, policies_json, prompts_json, settings_json, seed, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`,
    );
    this.#insertItem = connection.prepare(
      'INSERT INTO judging_items (judging_id, idx, prompt_json, first_side) VALUES (?, ?, ?, ?)',
    );
    this.#all = connection.prepare(`SELECT ${columns} ${from} ORDER BY judgings.id`);
    this.#byId = connection.prepare(`SELECT ${columns} ${from} WHERE judgings.id = ?`);
    this.#items = connection.prepare(
      `SELECT ${itemColumns} FROM judging_items WHERE judging_id = ? ORDER BY idx`,
    );
    this.#item = connection.prepare(
      `SELECT ${itemColumns} FROM judging_items WHERE judging_id = ? AND idx = ?`,
    );
    this.#setOutputs = connection.prepare(
      `UPDATE judging_items SET first_output = ?, second_output = ?
       WHERE judging_id = ? AND idx = ? AND first_output IS NULL`,
    );
    this.#setVote = connection.prepare(
      'UPDATE judging_items SET vote = ?, voted_at = ? WHERE judging_id = ? AND idx = ?',
    );
    this.#lastVoteAt = connection
      .prepare<[number], number | null>('SELECT max(voted_at) FROM judging_items WHERE judging_id = ?')
      .pluck();
    this.#lastVoted = connection
      .prepare<[number], number>(
        `SELECT idx FROM judging_items WHERE judging_id = ? AND voted_at IS NOT NULL
         ORDER BY voted_at DESC LIMIT 1`,
      )
      .pluck();
    this.#reveal = connection.prepare(
      'UPDATE judgings SET revealed_at = ? WHERE id = ? AND revealed_at IS NULL',
    );
    this.#delete = connection.prepare('DELETE FROM judgings WHERE id = ?');
  }

  /** Records a judging with its items, none of which has answers yet. */
  add(
    { projectId, name, policies, prompts, settings, seed }: NewJudging,
    items: readonly NewJudgingItem[],
  ): Judging {
    const json = [policies, prompts, settings].map(encodeJson) as [string, string, string];
    return this.#connection.write(() => {
      const { id } = this.#insert.get(projectId, name, ...json, seed, Date.now())!;
      items.forEach(({ prompt, firstSide }, index) =>
        this.#insertItem.run(id, index, encodeJson(prompt), firstSide),
      );
      return this.get(id)!;
    });
  }

  /** Every judging, oldest first. */
  list(): Judging[] {
    return this.#all.all().map(fromStored);
  }

  get(id: number): Judging | undefined {
    const stored = this.#byId.get(id);
    return stored && fromStored(stored);
  }

  /** In the order in which they are judged. */
  items(id: number): JudgingItem[] {
    return this.#items.all(id).map(toItem);
  }

  item(id: number, index: number): JudgingItem | undefined {
    const stored = this.#item.get(id, index);
    return stored && toItem(stored);
  }

  /** Keeps the first and the second policy's answer. False where there were answers already: those stay. */
  setOutputs(id: number, index: number, [first, second]: readonly [string, string]): boolean {
    return this.#connection.write(() => this.#setOutputs.run(first, second, id, index).changes > 0);
  }

  /** Gives an item a vote, another one, or none. The item has answers. */
  setVote(id: number, index: number, vote: Vote | null): void {
    this.#connection.write(() => {
      // Votes of one millisecond are told apart too: the last of them is what an undo takes back.
      const at = Math.max(Date.now(), 1 + (this.#lastVoteAt.get(id) ?? 0));
      this.#setVote.run(vote, vote === null ? null : at, id, index);
    });
  }

  /** The item that was voted on last. */
  lastVoted(id: number): number | undefined {
    return this.#lastVoted.get(id);
  }

  /** Notes that the sides were told; the first time counts. */
  reveal(id: number): void {
    this.#connection.write(() => this.#reveal.run(Date.now(), id));
  }

  /** False where there was none. */
  remove(id: number): boolean {
    return this.#connection.write(() => this.#delete.run(id).changes > 0);
  }
}

function fromStored(stored: Stored): Judging {
  const { policies, prompts, settings } = stored;
  return {
    ...stored,
    policies: decodeJson(policies),
    prompts: decodeJson(prompts),
    settings: decodeJson(settings),
  };
}

function toItem({ index, prompt, firstOutput, secondOutput, firstSide, vote }: StoredItem): JudgingItem {
  const outputs =
    firstOutput === null || secondOutput === null ? null : ([firstOutput, secondOutput] as const);
  return { index, prompt: decodeJson(prompt) as Text, outputs, firstSide, vote };
}
