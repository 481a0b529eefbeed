import { describe, expect, it } from 'vitest';
import { bandKeys, bands, jaccard, rowsPerBand, shingles, signature } from './min-hash.ts';
import { NearTexts } from './near-texts.ts';

/** Two sets of words whose similarity is `shared / (shared + 2 · own)` by construction. */
function twoSets(shared: number, own: number, name: string): [Set<string>, Set<string>] {
  const words = (kind: string, count: number): string[] =>
    Array.from({ length: count }, (_, at) => `${name} ${kind} ${at}`);
  const common = words('common', shared);
  return [new Set([...common, ...words('left', own)]), new Set([...common, ...words('right', own)])];
}

describe('MinHash', () => {
  it.each([
    [0, 30],
    [10, 45],
    [40, 30],
    [80, 10],
    [95, 1],
  ])('agrees in as many places as the sets are similar: %i shared, %i own', (shared, own) => {
    const truth = shared / (shared + 2 * own);
    const pairs = 60;
    let agreed = 0;
    let candidates = 0;
    for (let at = 0; at < pairs; at += 1) {
      const [left, right] = twoSets(shared, own, `pair ${at}`);
      expect(jaccard(left, right)).toBeCloseTo(truth, 12);
      const [a, b] = [signature(left), signature(right)];
      agreed += a.filter((value, place) => value === b[place]).length;
      const [keysA, keysB] = [bandKeys(a), bandKeys(b)];
      if (keysA.some((key, band) => key === keysB[band])) candidates += 1;
    }
    const places = pairs * bands * rowsPerBand;
    // Six standard errors of a share among independent places.
    const error = 6 * Math.sqrt((truth * (1 - truth)) / places) + 1e-9;
    expect(Math.abs(agreed / places - truth)).toBeLessThan(error);
    const expected = 1 - (1 - truth ** rowsPerBand) ** bands;
    const candidateError = 6 * Math.sqrt((expected * (1 - expected)) / pairs) + 0.02;
    expect(Math.abs(candidates / pairs - expected)).toBeLessThan(candidateError);
  });

  it('takes runs of three words, whatever stands between them', () => {
    expect(shingles('The cat, the CAT sat!')).toEqual(new Set(['the cat the', 'cat the cat', 'the cat sat']));
    expect(shingles('Two words')).toEqual(new Set(['two words']));
    expect(shingles(' … ')).toEqual(new Set());
  });
});

describe('near texts', () => {
  it('are those that comparing all with all finds', () => {
    // Texts of 60 words, each with some words of the one before replaced.
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const texts: string[] = [];
    for (let at = 0; at < 400; at += 1) {
      const before = at % 4 === 0 ? undefined : texts.at(-1)!.split(' ');
      const words = before ?? Array.from({ length: 60 }, () => `w${random(5000)}`);
      for (let change = 0; before && change < at % 4; change += 1) words[random(60)] = `w${random(5000)}`;
      texts.push(words.join(' '));
    }
    const threshold = 0.7;
    const expected = new Map<number, number[]>();
    const sets = texts.map(shingles);
    sets.forEach((set, row) => {
      const near = [...sets.keys()].filter((other) => other < row && jaccard(set, sets[other]!) >= threshold);
      if (near.length > 0) expected.set(row, near);
    });
    expect(expected.size).toBeGreaterThan(150);

    const near = new NearTexts(threshold, (row) => texts[row]!);
    const found = new Map<number, number[]>();
    texts.forEach((text, row) => {
      const rows = near.findAndAdd(row, text).map((each) => each.row);
      if (rows.length > 0)
        found.set(
          row,
          rows.sort((a, b) => a - b),
        );
    });
    expect(found).toEqual(expected);
    expect(near.find(texts[0]!)[0]).toEqual({ row: 0, similarity: 1 });
    expect(near.find('')).toEqual([]);
  });
});
