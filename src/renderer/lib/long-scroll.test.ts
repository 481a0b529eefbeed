import { describe, expect, it } from 'vitest';
import { bounded, isExact, linesAt, longScroll, positionAt, positionShowing, topAt } from './long-scroll.ts';

describe('scrolling through very many lines', () => {
  it('leaves short lists to the browser', () => {
    const scroll = longScroll(1000, 32, 640);
    expect(isExact(scroll)).toBe(true);
    expect(scroll.height).toBe(32_000);
    expect(positionAt(scroll, 1234)).toBe(1234);
    expect(topAt(scroll, 1234)).toBe(1234);
  });

  it.each([1_000_000, 5_000_000])(
    'reaches the first and the last of %i lines, in an element that browsers take',
    (lines) => {
      const scroll = longScroll(lines, 32, 640);
      // The lowest limit is Firefox's.
      expect(scroll.height).toBeLessThan(17_800_000);
      expect(positionAt(scroll, 0)).toBe(0);
      expect(linesAt(scroll, positionAt(scroll, 0), 32, 0)).toEqual([0, 19]);
      const lowest = scroll.height - scroll.view;
      expect(linesAt(scroll, positionAt(scroll, lowest), 32, 0)).toEqual([lines - 20, lines - 1]);
      for (const line of [0, 1, 777_777, lines - 1]) {
        const position = bounded(scroll, line * 32);
        expect(positionAt(scroll, topAt(scroll, position))).toBeCloseTo(position, 3);
      }
    },
  );

  it('draws every line that shows a pixel, and some beyond within bounds', () => {
    const scroll = longScroll(100, 10, 45);
    expect(linesAt(scroll, 0, 10, 0)).toEqual([0, 4]);
    expect(linesAt(scroll, 5, 10, 0)).toEqual([0, 4]);
    expect(linesAt(scroll, 6, 10, 0)).toEqual([0, 5]);
    expect(linesAt(scroll, 955, 10, 3)).toEqual([92, 99]);
    expect(linesAt(longScroll(3, 10, 45), 0, 10, 5)).toEqual([0, 2]);
  });

  it('moves no further than a line needs to be in sight', () => {
    const scroll = longScroll(100, 10, 45);
    expect(positionShowing(scroll, 200, 22, 10)).toBe(200);
    expect(positionShowing(scroll, 200, 19, 10)).toBe(190);
    expect(positionShowing(scroll, 200, 24, 10)).toBe(205);
    expect(positionShowing(scroll, 200, 99, 10)).toBe(955);
  });
});
