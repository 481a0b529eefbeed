import { InputError } from '../../../shared/errors.ts';
import { defaults } from '../../../shared/config.ts';
import type {
  CallOptions,
  RowSelection,
  RowView,
  SearchDataRequest,
  SearchDataResult,
  ShowDataRequest,
  ShowDataResult,
} from '../../../shared/contract.ts';
import type { SplitRule } from '../../../shared/dataset-changes.ts';
import { plainRowTexts, rowTexts } from '../../../shared/row-texts.ts';
import { searchTerms } from '../../store/dataset-search.ts';
import type { DatasetEntry } from '../../store/dataset-rows.ts';
import type { Dataset } from '../../store/datasets.ts';
import { viewTokens } from '../../training/token-view.ts';
import { resolveModel, type Library } from '../library.ts';
import { requireDataset, summariseData } from './datasets.ts';
import { repeatedRows } from './duplicates.ts';
import { indexRows } from './search-index.ts';

/** A dataset as a whole, or one of its rows as it is read and as a model sees it. */
export async function showData(
  library: Library,
  request: ShowDataRequest,
  call: CallOptions,
): Promise<ShowDataResult> {
  const dataset = requireDataset(library, request.data);
  const { datasetRows } = library.store;
  const revision = requireRevision(dataset, request.revision);
  const shown = { dataset: summariseData(dataset) };
  if (request.row === undefined) {
    // Counting the sides reads every prompt: not for one row.
    const rule = datasetRows.splitRule(dataset.id, dataset.revision);
    if (rule === null) return shown;
    return { ...shown, split: { rule: JSON.parse(rule) as SplitRule, ...sides(library, dataset) } };
  }
  const entry = datasetRows.entry(dataset.id, request.row, revision);
  if (!entry) throw new InputError('there is no such row', { file: request.data, row: request.row });
  const row = rowView(entry);
  if (request.model === undefined) return { ...shown, row };
  const model = await resolveModel(library, request.model, call);
  const tokens = viewTokens(entry.row, model.tokenizer, request.maxLength ?? defaults.maxLength);
  return { ...shown, row: { ...row, tokens } };
}

function requireRevision(dataset: Dataset, revision = dataset.revision): number {
  if (revision <= dataset.revision) return revision;
  throw new InputError(`has no revision ${revision}; the last is ${dataset.revision}`, {
    file: dataset.name,
  });
}

/** How many rows that are not excluded lie on each side of the split. */
export function sides({ store }: Library, { id }: Dataset): { train: number; eval: number } {
  const evalPrompts = store.datasetRows.evalPrompts(id, store.datasets.revision(id));
  const counts = { train: 0, eval: 0 };
  for (const { promptHash } of store.datasetRows.prompts(id))
    counts[evalPrompts?.has(promptHash) ? 'eval' : 'train'] += 1;
  return counts;
}

function rowView({ row, excluded, tags, note, side }: DatasetEntry): RowView {
  const { prompt, chosen, rejected } = rowTexts(row);
  return {
    row: row.index,
    excluded,
    tags,
    ...(note === null ? {} : { note }),
    ...(side === null ? {} : { side }),
    prompt,
    answers: rejected === undefined ? { completion: chosen } : { chosen, rejected },
    ...(row.answer === undefined ? {} : { answer: row.answer }),
  };
}

/** Full-text search; makes the index where there is none yet. */
export async function searchData(
  library: Library,
  request: SearchDataRequest,
  call: CallOptions,
): Promise<SearchDataResult> {
  const { store } = library;
  const dataset = requireDataset(library, request.data);
  await indexRows(library, dataset, call);
  const { query, field, limit } = request;
  const { indices, total } = store.datasetSearch.search(dataset.id, query, { field, limit });
  const terms = searchTerms(query).map(({ text }) => text);
  const hits = indices.flatMap((index) => {
    const entry = store.datasetRows.entry(dataset.id, index);
    if (!entry) return [];
    return [{ row: index, excluded: entry.excluded, ...snippetOf(entry, terms, field) }];
  });
  return { total, hits };
}

const snippetLength = 90;

/** The first place where a searched word stands, with some text on both sides, on one line. */
function snippetOf(
  { row }: DatasetEntry,
  terms: readonly string[],
  wanted: string | undefined,
): { field: string; snippet: string } {
  const { prompt, chosen, rejected = '' } = plainRowTexts(row);
  const fields = Object.entries({ prompt, chosen, rejected }).filter(
    ([name]) => wanted === undefined || name === wanted,
  );
  const fold = (text: string): string => text.toLowerCase();
  for (const [field, text] of fields) {
    const places = terms.map((term) => fold(text).indexOf(fold(term))).filter((place) => place >= 0);
    if (places.length > 0) return { field, snippet: cutOut(text, Math.min(...places)) };
  }
  const [field, text] = fields[0]!;
  return { field, snippet: cutOut(text, 0) };
}

function cutOut(text: string, place: number): string {
  const from = Math.max(0, place - snippetLength / 3);
  const piece = text
    .slice(from, from + snippetLength)
    .toWellFormed()
    .replace(/\s+/g, ' ')
    .trim();
  return `${from > 0 ? '… ' : ''}${piece}${from + snippetLength < text.length ? ' …' : ''}`;
}

/** Indices of the rows that a selection means, ascending. @throws InputError where it selects by nothing */
export async function selectRows(
  library: Library,
  dataset: Dataset,
  select: RowSelection,
  call: CallOptions,
): Promise<number[]> {
  const { store } = library;
  const { rows, search, tagged, repeats } = select;
  if (rows === undefined && search === undefined && tagged === undefined && repeats !== true)
    throw new InputError('nothing says which rows are meant', { file: dataset.name });
  const conditions: ((entry: DatasetEntry) => boolean)[] = [];
  if (rows) conditions.push(({ row }) => rows.some(([from, to]) => from <= row.index && row.index <= to));
  if (tagged !== undefined) conditions.push(({ tags }) => tags.includes(tagged));
  if (search !== undefined) {
    await indexRows(library, dataset, call);
    const { indices } = store.datasetSearch.search(dataset.id, search, { limit: dataset.rows });
    const found = new Set(indices);
    conditions.push(({ row }) => found.has(row.index));
  }
  if (repeats === true) {
    const repeated = repeatedRows(store, dataset);
    conditions.push(({ row }) => repeated.has(row.index));
  }
  const one = rows?.length === 1 && rows[0]![0] === rows[0]![1] ? rows[0]![0] : undefined;
  if (one !== undefined && !store.datasetRows.entry(dataset.id, one))
    throw new InputError('there is no such row', { file: dataset.name, row: one });
  const selected: number[] = [];
  const entries =
    one === undefined
      ? store.datasetRows.entries(dataset.id, { includeExcluded: true })
      : [store.datasetRows.entry(dataset.id, one)!];
  for (const entry of entries) if (conditions.every((holds) => holds(entry))) selected.push(entry.row.index);
  return selected;
}
