import { describe, expect, it } from 'vitest';
import { appearanceOf, placesInColour } from './appearance.ts';
import { lossNames } from './losses.ts';

describe('the look of arms', () => {
  it('is that of their loss, and every loss has one of its own', () => {
    expect(appearanceOf('kappa-dpo:kappa=0.25')).toBe(appearanceOf('kappa-dpo'));
    const looks = [...lossNames, 'a loss of another version'].map((loss) => {
      const { light, mark } = appearanceOf(loss);
      return `${light} ${mark}`;
    });
    expect(new Set(looks).size).toBe(looks.length);
  });

  it('has a place among those of one colour', () => {
    const arms = ['dpo', 'kappa-dpo:kappa=0.25', 'kappa-dpo:kappa=0.5', 'ipo', 'minor-dpo'];
    expect(appearanceOf('ipo').light).toBe(appearanceOf('kappa-dpo').light);
    expect(placesInColour(arms)).toEqual([0, 0, 1, 2, 0]);
  });
});
