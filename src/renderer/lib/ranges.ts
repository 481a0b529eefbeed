/** Whole numbers as ranges, first and last of each included: ascending, none touching the next. */
export type Ranges = readonly (readonly [number, number])[];

export function isIn(ranges: Ranges, value: number): boolean {
  return ranges.some(([first, last]) => first <= value && value <= last);
}

export function countIn(ranges: Ranges): number {
  return ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}

/** With everything from `one` to `other`, whichever is the lower. */
export function withRange(ranges: Ranges, one: number, other: number): Ranges {
  let [first, last] = [Math.min(one, other), Math.max(one, other)];
  const apart: (readonly [number, number])[] = [];
  for (const range of ranges) {
    if (range[1] < first - 1 || range[0] > last + 1) apart.push(range);
    else [first, last] = [Math.min(first, range[0]), Math.max(last, range[1])];
  }
  return [...apart, [first, last] as const].sort((a, b) => a[0] - b[0]);
}

export function without(ranges: Ranges, value: number): Ranges {
  return ranges.flatMap(([first, last]) => {
    if (value < first || value > last) return [[first, last] as const];
    const parts: (readonly [number, number])[] = [
      [first, value - 1],
      [value + 1, last],
    ];
    return parts.filter(([from, to]) => from <= to);
  });
}

/** Ranges of some numbers in ascending order. */
export function rangesOf(values: readonly number[]): Ranges {
  const ranges: [number, number][] = [];
  for (const value of values) {
    const last = ranges.at(-1);
    if (last && value === last[1] + 1) last[1] = value;
    else ranges.push([value, value]);
  }
  return ranges;
}
