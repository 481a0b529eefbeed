import type { PairStep } from '../../shared/pair-telemetry.ts';

/** c and r of pairs over several steps, column by column, by ascending step. */
export interface PairColumns {
  readonly steps: Uint32Array;
  readonly rows: Uint32Array;
  readonly c: Float32Array;
  readonly r: Float32Array;
}

/** Bytes of one pair at one step. */
export const bytesPerPair = 16;

/** The four columns one after another, little-endian: numbers come back bit for bit. */
export function packPairs({ steps, rows, c, r }: PairColumns): Buffer {
  return Buffer.concat(
    [steps, rows, c, r].map(({ buffer, byteOffset, byteLength }) =>
      Buffer.from(buffer, byteOffset, byteLength),
    ),
  );
}

/** @throws RangeError where the bytes are not whole pairs */
export function unpackPairs(data: Uint8Array): PairColumns {
  if (data.byteLength % bytesPerPair !== 0)
    throw new RangeError(`${data.byteLength} bytes are not whole pairs`);
  // A copy of its own begins at 0, as views on four bytes ask for.
  const { buffer } = Uint8Array.from(data);
  const pairs = data.byteLength / bytesPerPair;
  const at = (column: number): [ArrayBuffer, number, number] => [buffer, 4 * pairs * column, pairs];
  return {
    steps: new Uint32Array(...at(0)),
    rows: new Uint32Array(...at(1)),
    c: new Float32Array(...at(2)),
    r: new Float32Array(...at(3)),
  };
}

/** The steps of columns, each by itself. */
export function stepsOfPairs({ steps, rows, c, r }: PairColumns): PairStep[] {
  const found: PairStep[] = [];
  for (let from = 0; from < steps.length;) {
    let to = from + 1;
    while (to < steps.length && steps[to] === steps[from]) to += 1;
    const part = <Column extends Uint32Array | Float32Array>(column: Column): Column =>
      column.subarray(from, to) as Column;
    found.push({ step: steps[from]!, rows: part(rows), c: part(c), r: part(r) });
    from = to;
  }
  return found;
}

export function joinSteps(parts: readonly PairStep[]): PairColumns {
  const length = parts.reduce((sum, { rows }) => sum + rows.length, 0);
  const columns = {
    steps: new Uint32Array(length),
    rows: new Uint32Array(length),
    c: new Float32Array(length),
    r: new Float32Array(length),
  };
  let at = 0;
  for (const { step, rows, c, r } of parts) {
    columns.steps.fill(step, at, at + rows.length);
    columns.rows.set(rows, at);
    columns.c.set(c, at);
    columns.r.set(r, at);
    at += rows.length;
  }
  return columns;
}
