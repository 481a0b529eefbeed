import { describe, expect, it } from 'vitest';
import { editDistance, nearest } from './suggest.ts';

describe('suggestions', () => {
  it.each([
    ['kitten', 'sitting', 3],
    ['', 'abc', 3],
    ['trian', 'train', 1],
    ['ca', 'abc', 3],
    ['same', 'same', 0],
  ])('distance of %s and %s', (left, right, distance) => {
    expect(editDistance(left, right)).toBe(distance);
    expect(editDistance(right, left)).toBe(distance);
  });

  it('finds what was probably meant', () => {
    expect(nearest('bata', ['data', 'beta', 'lr'])).toBe('beta');
    expect(nearest('max-lenght', ['max-length', 'max-grad-norm'])).toBe('max-length');
    expect(nearest('rank', ['beta', 'lora-rank'])).toBe('lora-rank');
    expect(nearest('zzz', ['beta', 'lora-rank'])).toBeUndefined();
    expect(nearest('x', ['lr'])).toBeUndefined();
  });
});
