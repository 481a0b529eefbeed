import { describe, expect, it } from 'vitest';
import {
  commonDecimals,
  formatBytes,
  formatCount,
  formatDuration,
  formatElapsed,
  formatFixed,
  formatLearningRate,
  formatMeasured,
  formatNumber,
  formatParameters,
  formatPercent,
  formatRate,
  formatShare,
  wrapText,
} from './format.ts';

describe('format', () => {
  it.each([
    [0, '0:00'],
    [7.4, '0:07'],
    [59.6, '1:00'],
    [754, '12:34'],
    [3723, '1:02:03'],
    [90_000, '25:00:00'],
    [undefined, '–'],
    [Infinity, '–'],
    [-1, '–'],
  ])('duration %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it.each([
    [0.04, '0.04 s'],
    [0.5, '0.5 s'],
    [9.94, '9.9 s'],
    [9.96, '10 s'],
    [59.4, '59 s'],
    [59.6, '1:00'],
    [61, '1:01'],
    [NaN, '–'],
  ])('elapsed %s', (seconds, text) => expect(formatElapsed(seconds)).toBe(text));

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [10_340_000, '10.3 MB'],
    [538_090_408, '538 MB'],
    [1.2e9, '1.2 GB'],
    [5e15, '5000 TB'],
  ])('%d bytes', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [512, '512'],
    [3_100_000, '3.1M'],
    [134_515_008, '135M'],
    [999_600, '1M'],
    [1_235_814_400, '1.2B'],
  ])('%d parameters', (count, text) => expect(formatParameters(count)).toBe(text));

  it.each([
    [Math.LN2, '0.6931'],
    [-88.1234, '-88.12'],
    [0, '0'],
    [0.000_05, '5e-5'],
    [0.0001, '0.0001'],
    [1_234_567, '1.235e6'],
    [123_456, '123500'],
    [NaN, 'NaN'],
    [-Infinity, '-∞'],
    [undefined, '–'],
  ])('number %s', (value, text) => expect(formatNumber(value)).toBe(text));

  it.each([
    [5e-6, '5e-6'],
    [1.5e-5, '1.5e-5'],
    [0.003, '3e-3'],
    [0.01, '1e-2'],
    [2, '2'],
    [0, '0'],
    [4.9996e-6, '4.9996e-6'],
    [1e-5 / 3, '3.333333e-6'],
  ])('learning rate %d', (value, text) => expect(formatLearningRate(value)).toBe(text));

  it('counts, shares and rates', () => {
    expect(formatCount(1_234_567)).toBe('1,234,567');
    expect(formatPercent(0.625)).toBe('62.5%');
    expect(formatPercent(NaN)).toBe('NaN');
    expect(formatPercent(undefined)).toBe('–');
    expect(formatShare(0.4125)).toBe('41.3');
    expect([NaN, null, undefined].map(formatShare)).toEqual(['–', '–', '–']);
    expect(formatRate(1.8492, 'pairs')).toBe('1.85 pairs/s');
    expect(formatRate(0.0361, 'pairs')).toBe('0.0361 pairs/s');
    expect(formatRate(12_345.6, 'tokens')).toBe('12,346 tokens/s');
    expect(formatRate(undefined, 'pairs')).toBe('–');
    expect(formatRate(Infinity, 'pairs')).toBe('–');
  });

  it.each([
    [-1.5, '−1.50'],
    [0, '0.000'],
    [0.25, '0.250'],
    [12.34, '12.3'],
    [-345.6, '−346'],
    [0.0004, '4.0e−4'],
    [123_456, '1.2e5'],
    [null, '–'],
    [Infinity, '–'],
  ])('measured value %s', (value, text) => expect(formatMeasured(value)).toBe(text));

  it('gives a column the decimals of its largest value', () => {
    expect(commonDecimals([0.5, -12, undefined, NaN])).toBe(1);
    expect(commonDecimals([undefined])).toBe(3);
    expect(formatFixed(-0.04, 1)).toBe('0.0');
    expect(formatFixed(-0.06, 1)).toBe('−0.1');
  });

  it('wraps text between words, with a lead and an indent', () => {
    expect(wrapText('one two three', 9, '> ', '    ')).toEqual(['> one two', '    three']);
    expect(wrapText('supercalifragilistic one', 7)).toEqual(['supercalifragilistic', 'one']);
  });
});
