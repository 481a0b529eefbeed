import type { RowFilter } from '../../../../shared/app/api.ts';
import type { ChangeDataResult, MarkDataRequest, RowSelection } from '../../../../shared/contract.ts';
import { call } from '../../../api/client.svelte.ts';
import { undoneWords } from '../../../lib/data-words.ts';
import { rangesOf, type Ranges } from '../../../lib/ranges.ts';
import { attempt, notify } from '../../../state/notices.svelte.ts';
import type { RowSource } from './row-source.svelte.ts';

/**
 * What the rows at some places are, as a request names them. A stretch of places is a stretch of rows where what the
 * filter leaves out can be said in the request as well; else every row is named.
 * @throws CallFailed
 */
export async function selectionOf(source: RowSource, places: Ranges): Promise<RowSelection> {
  const { search, tagged, side, marked }: RowFilter = source.filter;
  const rows: (readonly [number, number])[] = [];
  const isSaid = side === undefined && marked === undefined;
  for (const [first, last] of places) {
    if (!isSaid) rows.push(...rangesOf(await source.rowsAt(first, last)));
    else {
      const [from] = await source.rowsAt(first, first);
      const [to] = await source.rowsAt(last, last);
      if (from !== undefined && to !== undefined) rows.push([from, to]);
    }
  }
  return {
    rows,
    ...(isSaid && search !== undefined ? { search } : {}),
    ...(isSaid && tagged !== undefined ? { tagged } : {}),
  };
}

/** Marks rows and says what that did, with a way back. */
export async function mark(
  data: string,
  select: RowSelection | (() => Promise<RowSelection>),
  wanted: MarkDataRequest['mark'],
  words: (rows: number) => string,
): Promise<boolean> {
  return tell(data, words, async () =>
    call('markData', { data, select: typeof select === 'function' ? await select() : select, mark: wanted }),
  );
}

/** Carries out a change and says what it did, with a way back. @returns whether it was done */
export async function tell(
  data: string,
  words: (rows: number) => string,
  change: () => Promise<Pick<ChangeDataResult, 'revision' | 'rows'>>,
): Promise<boolean> {
  const done = await attempt(change);
  if (!done) return false;
  if (done.rows === 0) notify({ kind: 'done', text: 'Nothing to change: it is so already.' });
  else
    notify({
      kind: 'done',
      text: words(done.rows),
      action: { label: 'Undo', run: () => void undo(data, done.revision) },
    });
  return true;
}

/**
 * Takes the last change back.
 * @param revision the change that is meant; where others came after it, nothing is undone
 */
export async function undo(data: string, revision?: number): Promise<void> {
  await attempt(async () => {
    if (revision !== undefined) {
      const { datasets } = await call('listData', {});
      if (datasets.find(({ name }) => name === data)?.revision !== revision) {
        notify({
          kind: 'problem',
          text: 'Other changes came after that one. The history undoes them in turn.',
        });
        return;
      }
    }
    const { undone } = await call('undoData', { data });
    notify({ kind: 'done', text: `${undoneWords(undone)}.` });
  });
}
