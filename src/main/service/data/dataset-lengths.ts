import { setImmediate } from 'node:timers/promises';
import type { CallOptions, LengthBin, LengthsRequest, LengthsResult } from '../../../shared/contract.ts';
import type { DataRow } from '../../../shared/preferences.ts';
import { plainRowTexts } from '../../../shared/row-texts.ts';
import { inspectRow } from '../../training/inspect.ts';
import type { OpenModel } from '../../training/model.ts';
import { resolveModel, type Library } from '../library.ts';
import { requireDataset } from './datasets.ts';
import { Lengths } from './lengths.ts';

const mostBins = 20;

/** How long prompts and answers are, in characters or in a model's tokens. */
export async function dataLengths(
  library: Library,
  request: LengthsRequest,
  call: CallOptions,
): Promise<LengthsResult> {
  const dataset = requireDataset(library, request.data);
  const model = request.model === undefined ? undefined : await resolveModel(library, request.model, call);
  const lengths = new Lengths();
  let rows = 0;
  for (const row of library.store.datasets.rows(dataset.id)) {
    const found = model === undefined ? characters(row) : tokens(row, model);
    rows += 1;
    for (const [field, length] of Object.entries(found)) lengths.add(field, length);
    if (rows % 200 !== 0) continue;
    call.onProgress?.({
      kind: 'progress',
      label: 'measuring',
      done: rows,
      total: dataset.rows,
      unit: 'rows',
    });
    await setImmediate();
    call.signal?.throwIfAborted();
  }
  const summaries = Object.entries(lengths.summaries());
  return {
    data: request.data,
    unit: model === undefined ? 'characters' : 'tokens',
    rows,
    fields: Object.fromEntries(
      summaries.map(([field, summary]) => [
        field,
        { ...summary, histogram: histogram(lengths.of(field), summary.min, summary.max) },
      ]),
    ),
  };
}

function characters(row: DataRow): Record<string, number> {
  const { prompt, chosen, rejected } = plainRowTexts(row);
  const answers =
    rejected === undefined
      ? { completion: chosen.length }
      : { chosen: chosen.length, rejected: rejected.length };
  return withLongest(prompt.length, answers);
}

/** Nothing for a row that could not be trained on. */
function tokens(row: DataRow, { tokenizer }: OpenModel): Record<string, number> {
  const found = inspectRow(row, tokenizer);
  return 'reason' in found ? {} : withLongest(found.prompt, found.answers);
}

function withLongest(prompt: number, answers: Readonly<Record<string, number>>): Record<string, number> {
  return { prompt, ...answers, longest: prompt + Math.max(...Object.values(answers)) };
}

/** Equal bins of a round width from the least to the greatest length. */
export function histogram(lengths: Uint32Array, least: number, greatest: number): LengthBin[] {
  const width = roundWidth((greatest + 1 - least) / mostBins);
  const start = Math.floor(least / width) * width;
  const counts = new Array<number>(Math.floor((greatest - start) / width) + 1).fill(0);
  for (const length of lengths) counts[Math.floor((length - start) / width)]! += 1;
  return counts.map((count, place) => ({
    from: start + place * width,
    to: start + (place + 1) * width,
    count,
  }));
}

/** The least of 1, 2, 5, 10, 20, 50, … that is not below `width`. */
function roundWidth(width: number): number {
  for (let power = 1; ; power *= 10)
    for (const digit of [1, 2, 5]) if (digit * power >= width) return digit * power;
}
