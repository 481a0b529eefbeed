/**
 * Scrolling through more lines than an element can be high. Browsers cut heights (Firefox at some 17.9 million pixels,
 * Chromium at 33.5), so past a limit the scrolled element is shorter than the lines it stands for: its scroll position
 * and the position among the lines are two things, tied at both ends. Positions are in pixels from the first line's top.
 */
export interface LongScroll {
  /** Height of all lines. */
  readonly total: number;
  /** Height of the element that is scrolled. */
  readonly height: number;
  /** Height of what is in sight. */
  readonly view: number;
}

const mostHeight = 16_000_000;

/** @param lines how many there are @param lineHeight in pixels @param view height of what is in sight */
export function longScroll(lines: number, lineHeight: number, view: number): LongScroll {
  const total = lines * lineHeight;
  return { total, height: Math.min(total, mostHeight), view };
}

/** The element is as high as its lines: both positions are one, and the browser scrolls by itself. */
export function isExact({ total, height }: LongScroll): boolean {
  return total === height;
}

/** A position among the lines, within their bounds. */
export function bounded({ total, view }: LongScroll, position: number): number {
  return Math.max(0, Math.min(position, total - view));
}

/** Where a scroll position (a scrollbar that was dragged) leads among the lines. */
export function positionAt(scroll: LongScroll, top: number): number {
  const { total, height, view } = scroll;
  if (isExact(scroll) || height <= view) return top;
  return bounded(scroll, (top / (height - view)) * (total - view));
}

/** The scroll position that stands for a position among the lines. */
export function topAt(scroll: LongScroll, position: number): number {
  const { total, height, view } = scroll;
  if (isExact(scroll) || total <= view) return position;
  return (position / (total - view)) * (height - view);
}

/** First and last line to draw: those in sight, and some on both sides. */
export function linesAt(
  { total, view }: LongScroll,
  position: number,
  lineHeight: number,
  beyond: number,
): readonly [first: number, last: number] {
  const lines = Math.round(total / lineHeight);
  const first = Math.floor(position / lineHeight) - beyond;
  const last = Math.ceil((position + view) / lineHeight) - 1 + beyond;
  return [Math.max(0, first), Math.min(lines - 1, last)];
}

/** The nearest position at which a line is wholly in sight. */
export function positionShowing(
  scroll: LongScroll,
  position: number,
  line: number,
  lineHeight: number,
): number {
  const top = line * lineHeight;
  if (top < position) return bounded(scroll, top);
  return top + lineHeight > position + scroll.view
    ? bounded(scroll, top + lineHeight - scroll.view)
    : position;
}
