import type { CallOptions, RowFilter, RowLine, RowsRequest, RowsResult } from '../../../shared/contract.ts';
import { InputError } from '../../../shared/errors.ts';
import { plainRowTexts } from '../../../shared/row-texts.ts';
import type { DatasetEntry, RowMarks } from '../../store/dataset-rows.ts';
import type { Dataset } from '../../store/datasets.ts';
import type { Library } from '../library.ts';
import { Turns } from '../turns.ts';
import { requireDataset } from './datasets.ts';
import { indexRows } from './search-index.ts';

/** Indices of rows by place, ascending. */
type RowList = Uint32Array;

const rowsAtOnce = 50;

/**
 * A page of rows by place. Without a filter place and index are the same, unless rows were left out at the import; else
 * the indices of the rows that are left are found once and kept.
 * @throws InputError where a side is asked for and there is no split, or a search holds no word
 */
export async function dataRows(
  library: Library,
  lists: RowLists,
  { data, from, limit, filter = {} }: RowsRequest,
  call: CallOptions,
): Promise<RowsResult> {
  const dataset = requireDataset(library, data);
  const { datasetRows } = library.store;
  // May take minutes the first time, and can be stopped; what follows takes a second or two.
  if (filter.search !== undefined) await indexRows(library, dataset, call);
  const list = await lists.of(library, dataset, filter);
  call.signal?.throwIfAborted();
  const total = list?.length ?? dataset.rows;
  const indices = Array.from(
    { length: Math.max(0, Math.min(limit, total - from)) },
    (_, place) => list?.[from + place] ?? from + place,
  );
  const evalPrompts = datasetRows.evalPrompts(dataset.id, dataset.revision);
  const turns = new Turns(call.signal);
  const lines: RowLine[] = [];
  for (let place = 0; place < indices.length; place += rowsAtOnce) {
    const some = datasetRows.some(dataset.id, indices.slice(place, place + rowsAtOnce), evalPrompts);
    lines.push(...some.map((entry, at) => lineOf(entry, from + place + at)));
    await turns.pass();
  }
  return { total, lines };
}

const longest = 300;

function lineOf({ row, excluded, tags, note, side }: DatasetEntry, place: number): RowLine {
  const { prompt, chosen, rejected } = plainRowTexts(row);
  return {
    place,
    row: row.index,
    excluded,
    tags,
    ...(note === null ? {} : { note }),
    ...(side === null ? {} : { side }),
    prompt: onLine(prompt),
    chosen: onLine(chosen),
    ...(rejected === undefined ? {} : { rejected: onLine(rejected) }),
  };
}

/** The beginning of a text on one line. A long run of blanks may leave less than there is room for. */
function onLine(text: string): string {
  return text
    .slice(0, 4 * longest)
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, longest)
    .toWellFormed();
}

const mostKept = 64 << 20;

/** Lists of the rows that filters leave, by dataset, revision and filter: the latest, up to 64 MiB together. */
export class RowLists {
  readonly #lists = new Map<string, Promise<RowList | undefined>>();
  readonly #bytes = new Map<string, number>();

  /** Undefined: every row, and places are indices. Who asks for the same meanwhile waits for the same list. */
  of(library: Library, dataset: Dataset, filter: RowFilter): Promise<RowList | undefined> {
    const { search, tagged, side, marked } = filter;
    const key = JSON.stringify([dataset.id, dataset.revision, search, tagged, side, marked]);
    const known = this.#lists.get(key);
    // The latest stands last.
    this.#lists.delete(key);
    const list = known ?? findRows(library, dataset, filter);
    this.#lists.set(key, list);
    if (!known) {
      list.then(
        (found) => this.#keep(key, found?.byteLength ?? 0),
        () => this.#lists.delete(key),
      );
    }
    return list;
  }

  #keep(key: string, bytes: number): void {
    this.#bytes.set(key, bytes);
    let sum = [...this.#bytes.values()].reduce((total, each) => total + each, 0);
    for (const oldest of this.#lists.keys()) {
      if (sum <= mostKept && this.#lists.size <= 256) return;
      if (oldest === key) continue;
      sum -= this.#bytes.get(oldest) ?? 0;
      this.#bytes.delete(oldest);
      this.#lists.delete(oldest);
    }
  }
}

async function findRows(
  { store }: Library,
  { id, revision, rows }: Dataset,
  { search, tagged, side, marked }: RowFilter,
): Promise<RowList | undefined> {
  const { datasetRows, datasetSearch } = store;
  let list: RowList | undefined;
  const keep = (some: RowList): void => void (list = list ? common(list, some) : some);
  const marks = (holds: (marks: RowMarks) => boolean): Promise<RowList> =>
    collect<RowMarks & { readonly idx: number }>(
      (after, most) => datasetRows.marksAfter(id, after, most),
      holds,
    );
  if (search !== undefined)
    keep(await collect((after, most) => asEntries(datasetSearch.matchesAfter(id, search, after, most))));
  if (tagged !== undefined) keep(await marks(({ tags }) => tags.includes(tagged)));
  if (marked === 'excluded') keep(await marks(({ excluded }) => excluded));
  if (marked === 'noted') keep(await marks(({ note }) => note !== null));
  if (side !== undefined) {
    const evalPrompts = datasetRows.evalPrompts(id, revision);
    if (!evalPrompts)
      throw new InputError('the dataset has no split into train and eval rows; make one with "data split"');
    const isEval = side === 'eval';
    keep(
      await collect(
        (after, most) => datasetRows.promptsAfter(id, after, most),
        ({ promptHash }) => evalPrompts.has(promptHash) === isEval,
      ),
    );
  }
  const isWhole = datasetRows.lastIndex(id) === rows - 1;
  if (list === undefined && !(isWhole && marked === undefined))
    list = await collect((after, most) => asEntries(datasetRows.indicesAfter(id, after, most)));
  if (marked === 'included') list = without(list!, await marks(({ excluded }) => excluded));
  return list;
}

const asEntries = (indices: readonly number[]): { readonly idx: number }[] => indices.map((idx) => ({ idx }));

const atOnce = 2000;

/** What holds of everything that is read page by page, by what comes after an index. */
async function collect<Entry extends { readonly idx: number }>(
  page: (after: number, limit: number) => readonly Entry[],
  holds: (entry: Entry) => boolean = () => true,
): Promise<RowList> {
  const turns = new Turns();
  const found: number[] = [];
  for (let after = -1; ;) {
    const next = page(after, atOnce);
    for (const entry of next) if (holds(entry)) found.push(entry.idx);
    if (next.length < atOnce) return Uint32Array.from(found);
    after = next.at(-1)!.idx;
    await turns.pass();
  }
}

/** What two ascending lists share. */
function common(left: RowList, right: RowList): RowList {
  let at = 0;
  return left.filter((index) => {
    while (at < right.length && right[at]! < index) at += 1;
    return right[at] === index;
  });
}

/** The first ascending list without what the second holds. */
function without(all: RowList, out: RowList): RowList {
  let at = 0;
  return all.filter((index) => {
    while (at < out.length && out[at]! < index) at += 1;
    return out[at] !== index;
  });
}
