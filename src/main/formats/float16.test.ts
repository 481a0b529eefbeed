import { expect, test } from 'vitest';
import { bfloatsToFloat32, float32ToHalves, halfToNumber, halvesToFloat32, numberToHalf } from './float16.ts';

/** The definition in IEEE 754, computed another way than in the code: by the value's binary digits. */
function halfByDefinition(bits: number): number {
  const digits = bits.toString(2).padStart(16, '0');
  const exponent = parseInt(digits.slice(1, 6), 2);
  const fraction = digits.slice(6);
  if (exponent === 31) return fraction.includes('1') ? NaN : digits[0] === '1' ? -Infinity : Infinity;
  let value = exponent === 0 ? 0 : 1;
  [...fraction].forEach((digit, place) => (value += Number(digit) / 2 ** (place + 1)));
  return (digits[0] === '1' ? -1 : 1) * value * 2 ** Math.max(exponent - 15, -14);
}

test('every half has the value that its digits say, and comes back from it', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
  const floats = halvesToFloat32(all);
  const back = float32ToHalves(floats);
  for (let bits = 0; bits < 65536; bits++) {
    const expected = halfByDefinition(bits);
    if (!Object.is(halfToNumber(bits), expected) || !Object.is(floats[bits], expected)) {
      expect.fail(`half ${bits}: ${halfToNumber(bits)} and ${floats[bits]} instead of ${expected}`);
    }
    if (Number.isNaN(expected) ? !Number.isNaN(halfToNumber(back[bits]!)) : back[bits] !== bits) {
      expect.fail(`half ${bits} came back as ${back[bits]}`);
    }
  }
});

test('between two neighbouring halves the nearer is taken, and midway the even one', () => {
  // Positive finite halves are ordered as their bit patterns are.
  for (let bits = 0; bits < 0x7bff; bits++) {
    const low = halfByDefinition(bits);
    const high = halfByDefinition(bits + 1);
    const middle = (low + high) / 2;
    const step = 2 ** (Math.floor(Math.log2(middle)) - 23);
    const even = bits % 2 === 0 ? bits : bits + 1;
    const got = [middle - step, middle, middle + step].map(numberToHalf);
    const mirrored = [step - middle, -middle, -middle - step].map((value) => numberToHalf(value) ^ 0x8000);
    const expected = [bits, even, bits + 1];
    if (String(got) !== String(expected) || String(mirrored) !== String(expected)) {
      expect.fail(`around ${middle}: ${got} and ${mirrored} instead of ${expected}`);
    }
  }
});

test('what lies beyond the largest half becomes infinite', () => {
  expect([65519.996, 65520, 1e30, -65520].map(numberToHalf)).toEqual([0x7bff, 0x7c00, 0x7c00, 0xfc00]);
});

test('conversions agree with the runtime where it knows half precision', ({ skip }) => {
  type Half = Float32ArrayConstructor;
  const native = (globalThis as unknown as { Float16Array?: Half }).Float16Array;
  if (native === undefined) return skip('this runtime has no Float16Array');
  const values = Float32Array.from(
    { length: 200_000 },
    (_, i) => Math.sin(i * 12.9898) * 2 ** ((i % 48) - 28),
  );
  const expected = new Uint16Array(new native(values).buffer);
  expect(Buffer.compare(Buffer.from(float32ToHalves(values).buffer), Buffer.from(expected.buffer))).toBe(0);
});

test('a bfloat16 is the upper half of a float32', () => {
  expect([...bfloatsToFloat32(Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x4049))]).toEqual([
    1,
    -2,
    Infinity,
    3.140625,
  ]);
});
