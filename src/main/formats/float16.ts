/**
 * Conversions between IEEE 754 binary16 (half), bfloat16 and binary32. Node's own `Float16Array` is newer than the
 * oldest runtime the product meets, so the few lines stand here.
 */

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The value of a half-precision bit pattern (0 … 65,535); every half is exact in a double. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * The half-precision bit pattern nearest to a float32, ties to even; overflow gives infinity, NaN a quiet NaN.
 * A value that is not a float32 is rounded to one first.
 */
export function numberToHalf(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 is halfway between the largest half, 65504, and the next power of two: it rounds up to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // A normal half: rebias the exponent (127 → 15) and round off 13 bits; a carry moves the exponent up rightly.
    const rebased = magnitude - (112 << 23);
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
  }
  // A subnormal half counts units of 2^-24. The scaling by a power of two is exact in double precision.
  const units = Math.abs(scratch[0]) * 2 ** 24;
  const floor = Math.floor(units);
  const rest = units - floor;
  return sign | (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor);
}

let halfTable: Float32Array | undefined;

/** All 65,536 halves as float32, made on first use (256 KiB). */
export function halfValues(): Float32Array {
  halfTable ??= Float32Array.from({ length: 65536 }, (_, bits) => halfToNumber(bits));
  return halfTable;
}

/** float16 bit patterns `[n]` → float32 `[n]`, exact. */
export function halvesToFloat32(halves: Uint16Array): Float32Array {
  const table = halfValues();
  const result = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) result[i] = table[halves[i]!]!;
  return result;
}

/** float32 `[n]` → float16 bit patterns `[n]`, rounded to nearest, ties to even. */
export function float32ToHalves(values: Float32Array): Uint16Array {
  const result = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) result[i] = numberToHalf(values[i]!);
  return result;
}

/** bfloat16 bit patterns `[n]` → float32 `[n]`, exact: a bfloat16 is a float32's upper half. */
export function bfloatsToFloat32(bfloats: Uint16Array): Float32Array {
  const bits = new Uint32Array(bfloats.length);
  for (let i = 0; i < bfloats.length; i++) bits[i] = bfloats[i]! << 16;
  return new Float32Array(bits.buffer);
}
