import { describe, expect, it } from 'vitest';
import { appearanceOf, placesInColour } from './appearance.ts';
import { lossNames } from './losses.ts';

type Triple = readonly [number, number, number];
const dot = (a: Triple, b: Triple): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** What people see of linear red, green and blue: all, and by Machado, Oliveira and Fernandes (2009) without red or green cones. */
const visions: readonly (readonly [Triple, Triple, Triple])[] = [
  [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
];

/** CIE Lab of a colour as one vision has it. */
function seen(colour: string, vision: (typeof visions)[number]): Triple {
  const channel = (place: number): number => {
    const value = parseInt(colour.slice(place, place + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const whole: Triple = [channel(1), channel(3), channel(5)];
  const [red, green, blue] = vision.map((row) => Math.min(1, Math.max(0, dot(row, whole))));
  const rgb: Triple = [red!, green!, blue!];
  const f = (value: number): number => (value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116);
  const x = f(dot([0.4124, 0.3576, 0.1805], rgb) / 0.9505);
  const y = f(dot([0.2126, 0.7152, 0.0722], rgb));
  const z = f(dot([0.0193, 0.1192, 0.9505], rgb) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** How far apart two colours are at least, over ways to see; below about 10 small marks look the same. */
function leastDistance(one: string, other: string): number {
  return Math.min(
    ...visions.map((vision) => {
      const [a, b] = [seen(one, vision), seen(other, vision)];
      return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
    }),
  );
}

describe('the look of arms', () => {
  it('is that of their loss, and every loss has one of its own', () => {
    expect(appearanceOf('kappa-dpo:kappa=0.25')).toBe(appearanceOf('kappa-dpo'));
    const looks = [...lossNames, 'a loss of another version'].map((loss) => {
      const { light, mark } = appearanceOf(loss);
      return `${light} ${mark}`;
    });
    expect(new Set(looks).size).toBe(looks.length);
  });

  it('tells two that share a mark apart by colour, with or without red or green cones', () => {
    const alike = ['base', ...lossNames].flatMap((one, place, all) =>
      all.slice(place + 1).flatMap((other) => {
        const [a, b] = [appearanceOf(one), appearanceOf(other)];
        if (a.mark !== b.mark) return [];
        const least = Math.min(leastDistance(a.light, b.light), leastDistance(a.dark, b.dark));
        return least < 12 ? [`${one} and ${other}`] : [];
      }),
    );
    expect(alike).toEqual([]);
  });

  it('has a place among those of one colour', () => {
    const arms = ['dpo', 'kappa-dpo:kappa=0.25', 'kappa-dpo:kappa=0.5', 'ipo', 'minor-dpo'];
    expect(appearanceOf('ipo').light).toBe(appearanceOf('kappa-dpo').light);
    expect(placesInColour(arms)).toEqual([0, 0, 1, 2, 0]);
  });
});
