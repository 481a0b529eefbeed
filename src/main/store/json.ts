/**
 * JSON as the `*_json` columns hold it: plain JSON, but a number that JSON cannot write (NaN, ±Infinity) or would
 * change (−0) stands as `{"$number": "NaN" | "Infinity" | "-Infinity" | "-0"}`, so that the results of a diverged run
 * come back as they were.
 * @throws TypeError for undefined, a function or a symbol at the top, a bigint, or an object with a key `$number`
 */
export function encodeJson(value: unknown): string {
  const text = JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'number' && (!Number.isFinite(part) || Object.is(part, -0))) {
      return new MarkedNumber(part);
    }
    if (typeof part === 'object' && part !== null && !(part instanceof MarkedNumber) && marker in part) {
      throw new TypeError(`"${marker}" is not allowed as a key`);
    }
    return part;
  });
  if (text === undefined) throw new TypeError('JSON cannot hold undefined, a function or a symbol');
  return text;
}

/** Reads what `encodeJson` wrote. */
export function decodeJson(text: string): unknown {
  return JSON.parse(text, (_key, part: unknown) => {
    const isMarked = typeof part === 'object' && part !== null && marker in part;
    return isMarked ? Number(part[marker]) : part;
  });
}

const marker = '$number';

class MarkedNumber {
  readonly [marker]: string;

  constructor(value: number) {
    this[marker] = Object.is(value, -0) ? '-0' : String(value);
  }
}
