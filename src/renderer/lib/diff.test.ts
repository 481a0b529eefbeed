import { describe, expect, it } from 'vitest';
import { diffWords, splitWords, type DiffPart } from './diff.ts';

const joined = (parts: readonly DiffPart[], without: DiffPart['kind']): string =>
  parts
    .filter(({ kind }) => kind !== without)
    .map(({ text }) => text)
    .join('');

describe('differences between texts', () => {
  it('mark the words that were changed, and no others', () => {
    expect(diffWords('It is 13, I think.', 'It is 14, I think.')).toEqual([
      { kind: 'same', text: 'It is ' },
      { kind: 'removed', text: '13' },
      { kind: 'added', text: '14' },
      { kind: 'same', text: ', I think.' },
    ]);
    expect(diffWords('a b c', 'a c')).toEqual([
      { kind: 'same', text: 'a ' },
      { kind: 'removed', text: 'b ' },
      { kind: 'same', text: 'c' },
    ]);
  });

  it('take equal, empty and wholly different texts', () => {
    expect(diffWords('', '')).toEqual([]);
    expect(diffWords('same', 'same')).toEqual([{ kind: 'same', text: 'same' }]);
    expect(diffWords('', 'new')).toEqual([{ kind: 'added', text: 'new' }]);
    expect(diffWords('old', 'new')).toEqual([
      { kind: 'removed', text: 'old' },
      { kind: 'added', text: 'new' },
    ]);
  });

  it('give both texts back, with a longest common subsequence, whatever they hold', () => {
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const pieces = ['a', 'b', ' ', '\n', 'ü', '😀', '.', 'e\u0301'];
    /** By trying every subsequence of the shorter one. */
    const longestCommon = (left: string[], right: string[]): number => {
      let most = 0;
      for (let mask = 0; mask < 2 ** left.length; mask += 1) {
        const some = left.filter((_, place) => (mask >> place) & 1);
        let from = 0;
        const stands = some.every((word) => {
          const at = right.indexOf(word, from);
          from = at + 1;
          return at >= 0;
        });
        if (stands) most = Math.max(most, some.length);
      }
      return most;
    };
    for (let trial = 0; trial < 150; trial += 1) {
      const text = (): string =>
        Array.from({ length: random(11) }, () => pieces[random(pieces.length)]!).join('');
      const [before, after] = [text(), text()];
      const parts = diffWords(before, after)!;
      expect(joined(parts, 'added')).toBe(before);
      expect(joined(parts, 'removed')).toBe(after);
      const shared = parts.filter(({ kind }) => kind === 'same').flatMap(({ text }) => splitWords(text));
      expect(shared).toHaveLength(longestCommon(splitWords(before), splitWords(after)));
    }
  });

  it('give up on texts that would take too long, but not on long ones with a small change', () => {
    const words = (from: number): string =>
      Array.from({ length: 3000 }, (_, place) => place + from).join(' ');
    expect(diffWords(words(0), words(10_000).replaceAll('1', 'x'))).toBeUndefined();
    const long = words(0);
    expect(diffWords(long, long.replace(' 1500 ', ' other '))).toEqual([
      { kind: 'same', text: long.slice(0, long.indexOf('1500 ')) },
      { kind: 'removed', text: '1500' },
      { kind: 'added', text: 'other' },
      { kind: 'same', text: long.slice(long.indexOf(' 1501')) },
    ]);
  });
});
