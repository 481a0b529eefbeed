/** A stretch of words that two texts share (`same`), or that only one of them has. */
export interface DiffPart {
  readonly kind: 'same' | 'removed' | 'added';
  readonly text: string;
}

/** Cells of the table that a comparison may fill: 16 MB, a few dozen milliseconds. */
const mostCells = 4_000_000;

/**
 * Differences between two texts, word by word: the fewest words removed and added (longest common subsequence). White
 * space and punctuation count as words of their own, so the parts joined give both texts back.
 *
 * @returns parts in reading order, removals before additions; undefined where both texts are too long to be compared
 */
export function diffWords(before: string, after: string): readonly DiffPart[] | undefined {
  const [left, right] = [splitWords(before), splitWords(after)];
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start += 1;
  let end = 0;
  const shorter = Math.min(left.length, right.length);
  while (end < shorter - start && left[left.length - 1 - end] === right[right.length - 1 - end]) end += 1;
  const [middleLeft, middleRight] = [
    left.slice(start, left.length - end),
    right.slice(start, right.length - end),
  ];
  if ((middleLeft.length + 1) * (middleRight.length + 1) > mostCells) return undefined;
  return joinParts([
    ...left.slice(0, start).map((text): DiffPart => ({ kind: 'same', text })),
    ...diffMiddle(middleLeft, middleRight),
    ...left.slice(left.length - end).map((text): DiffPart => ({ kind: 'same', text })),
  ]);
}

/** Words, runs of white space and single marks. */
export function splitWords(text: string): string[] {
  return text.match(/[\p{L}\p{M}\p{N}_]+|\s+|[^]/gu) ?? [];
}

function diffMiddle(left: readonly string[], right: readonly string[]): DiffPart[] {
  const width = right.length + 1;
  // Length of the longest common subsequence of what begins at (row, column).
  const longest = new Uint32Array((left.length + 1) * width);
  for (let row = left.length - 1; row >= 0; row -= 1) {
    for (let column = right.length - 1; column >= 0; column -= 1) {
      const at = row * width + column;
      longest[at] =
        left[row] === right[column]
          ? longest[at + width + 1]! + 1
          : Math.max(longest[at + width]!, longest[at + 1]!);
    }
  }
  const parts: DiffPart[] = [];
  let [row, column] = [0, 0];
  while (row < left.length || column < right.length) {
    const at = row * width + column;
    if (row < left.length && column < right.length && left[row] === right[column]) {
      parts.push({ kind: 'same', text: left[row]! });
      row += 1;
      column += 1;
    } else if (column === right.length || (row < left.length && longest[at + width]! >= longest[at + 1]!)) {
      parts.push({ kind: 'removed', text: left[row]! });
      row += 1;
    } else {
      parts.push({ kind: 'added', text: right[column]! });
      column += 1;
    }
  }
  return parts;
}

/** Neighbours of one kind become one part; between two shared stretches all removals come before the additions. */
function joinParts(parts: readonly DiffPart[]): DiffPart[] {
  const joined: DiffPart[] = [];
  let [same, removed, added] = ['', '', ''];
  const flush = (): void => {
    if (removed !== '') joined.push({ kind: 'removed', text: removed });
    if (added !== '') joined.push({ kind: 'added', text: added });
    [removed, added] = ['', ''];
  };
  for (const { kind, text } of parts) {
    if (kind === 'same') {
      flush();
      same += text;
      continue;
    }
    if (same !== '') joined.push({ kind: 'same', text: same });
    same = '';
    if (kind === 'removed') removed += text;
    else added += text;
  }
  flush();
  if (same !== '') joined.push({ kind: 'same', text: same });
  return joined;
}
