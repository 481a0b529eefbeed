import { describe, expect, it } from 'vitest';
import { decodeJson, encodeJson } from './json.ts';

describe('stored JSON', () => {
  it('is plain JSON where that suffices', () => {
    const value = { a: [1, 'two', null, true], b: { c: 1e-300 } };
    expect(JSON.parse(encodeJson(value))).toEqual(value);
  });

  it('marks the numbers JSON cannot hold, as documented, and gives them back', () => {
    expect(encodeJson({ a: NaN, b: [-0, Infinity, -Infinity] })).toBe(
      '{"a":{"$number":"NaN"},"b":[{"$number":"-0"},{"$number":"Infinity"},{"$number":"-Infinity"}]}',
    );
    const value = { a: NaN, b: [-0, 0, Infinity, -Infinity], c: { d: [[-0]] } };
    expect(decodeJson(encodeJson(value))).toEqual(value);
    expect(decodeJson(encodeJson(-0))).toBe(-0);
  });

  it('refuses what would not come back', () => {
    expect(() => encodeJson({ a: { $number: 'NaN' } })).toThrow(/\$number/);
    expect(() => encodeJson(undefined)).toThrow(TypeError);
    expect(() => encodeJson({ a: 1n })).toThrow(TypeError);
  });
});
