import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatExponent,
  formatNumber,
  formatParameters,
  formatRate,
  formatShare,
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
    [0.001, '0.001'],
    [2, '2'],
    [0, '0'],
    [4.9996e-6, '5e-6'],
  ])('learning rate %d', (value, text) => expect(formatExponent(value)).toBe(text));

  it('counts, shares and rates', () => {
    expect(formatCount(1_234_567)).toBe('1,234,567');
    expect(formatShare(0.625)).toBe('62.5%');
    expect(formatShare(NaN)).toBe('NaN');
    expect(formatShare(undefined)).toBe('–');
    expect(formatRate(1.8492, 'pairs')).toBe('1.85 pairs/s');
    expect(formatRate(0.0361, 'pairs')).toBe('0.0361 pairs/s');
    expect(formatRate(12_345.6, 'tokens')).toBe('12,346 tokens/s');
    expect(formatRate(undefined, 'pairs')).toBe('–');
    expect(formatRate(Infinity, 'pairs')).toBe('–');
  });
});
