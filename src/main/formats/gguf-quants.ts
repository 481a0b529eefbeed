import { bfloatsToFloat32, halfValues, halvesToFloat32 } from './float16.ts';

/**
 * GGML's block formats, turned into float32 as ggml and the Python package gguf do. A half-precision scale times a
 * block's small integers fits a float32's 24 bits, so every product below is exact, and only the last addition rounds,
 * once, when the result is stored. That makes the results equal to both references bit for bit.
 */
export interface QuantType {
  /** ggml's number for the type. */
  readonly id: number;
  /** Elements per block. A tensor's rows are whole blocks. */
  readonly blockSize: number;
  readonly blockBytes: number;
  /** Decodes whole blocks: `bytes` [blocks × blockBytes] → float32 [blocks × blockSize]. */
  readonly decode: (bytes: Uint8Array<ArrayBuffer>) => Float32Array;
}

/** Decodes the one block that starts at byte `at` into `out` from index `to` on. */
type DecodeBlock = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;

function blocks(id: number, blockSize: number, blockBytes: number, decodeBlock: DecodeBlock): QuantType {
  return {
    id,
    blockSize,
    blockBytes,
    decode(bytes) {
      const count = bytes.length / blockBytes;
      const out = new Float32Array(count * blockSize);
      for (let block = 0; block < count; block++)
        decodeBlock(bytes, block * blockBytes, out, block * blockSize);
      return out;
    },
  };
}

/** The half-precision number at byte `at`. */
function half(bytes: Uint8Array, at: number): number {
  return halfValues()[bytes[at]! | (bytes[at + 1]! << 8)]!;
}

/** A byte as a signed number. */
function signed(byte: number): number {
  return (byte << 24) >> 24;
}

/** d, 32 nibbles: the first 16 elements are the low ones. x = d (q − 8). */
const decodeQ4_0: DecodeBlock = (bytes, at, out, to) => {
  const d = half(bytes, at);
  for (let i = 0; i < 16; i++) {
    const byte = bytes[at + 2 + i]!;
    out[to + i] = d * ((byte & 15) - 8);
    out[to + 16 + i] = d * ((byte >> 4) - 8);
  }
};

/** d, m, 32 nibbles. x = d q + m. */
const decodeQ4_1: DecodeBlock = (bytes, at, out, to) => {
  const d = half(bytes, at);
  const m = half(bytes, at + 2);
  for (let i = 0; i < 16; i++) {
    const byte = bytes[at + 4 + i]!;
    out[to + i] = d * (byte & 15) + m;
    out[to + 16 + i] = d * (byte >> 4) + m;
  }
};

/** d, 32 fifth bits, 32 nibbles. x = d (q − 16). */
const decodeQ5_0: DecodeBlock = (bytes, at, out, to) => {
  const d = half(bytes, at);
  for (let i = 0; i < 16; i++) {
    const byte = bytes[at + 6 + i]!;
    const low = (bytes[at + 2 + (i >> 3)]! >> (i & 7)) & 1;
    const high = (bytes[at + 4 + (i >> 3)]! >> (i & 7)) & 1;
    out[to + i] = d * (((byte & 15) | (low << 4)) - 16);
    out[to + 16 + i] = d * (((byte >> 4) | (high << 4)) - 16);
  }
};

/** d, m, 32 fifth bits, 32 nibbles. x = d q + m. */
const decodeQ5_1: DecodeBlock = (bytes, at, out, to) => {
  const d = half(bytes, at);
  const m = half(bytes, at + 2);
  for (let i = 0; i < 16; i++) {
    const byte = bytes[at + 8 + i]!;
    const low = (bytes[at + 4 + (i >> 3)]! >> (i & 7)) & 1;
    const high = (bytes[at + 6 + (i >> 3)]! >> (i & 7)) & 1;
    out[to + i] = d * ((byte & 15) | (low << 4)) + m;
    out[to + 16 + i] = d * ((byte >> 4) | (high << 4)) + m;
  }
};

/** d, 32 signed bytes. x = d q. */
const decodeQ8_0: DecodeBlock = (bytes, at, out, to) => {
  const d = half(bytes, at);
  for (let i = 0; i < 32; i++) out[to + i] = d * signed(bytes[at + 2 + i]!);
};

/** 16 pairs of 4-bit scale and minimum, 64 bytes of 2-bit numbers, d, dmin; groups of 16. x = d s q − dmin m. */
const decodeQ2_K: DecodeBlock = (bytes, at, out, to) => {
  const d = half(bytes, at + 80);
  const dmin = half(bytes, at + 82);
  for (let i = 0; i < 256; i++) {
    const scale = bytes[at + (i >> 4)]!;
    // Each run of 128 elements shares 32 bytes; 32 elements take the same two bits of them.
    const quants = bytes[at + 16 + ((i >> 7) << 5) + (i & 31)]!;
    const q = (quants >> (((i >> 5) & 3) << 1)) & 3;
    out[to + i] = d * (scale & 15) * q - dmin * (scale >> 4);
  }
};

/** 32 bytes of third bits, 64 of 2-bit numbers, 12 of sixteen 6-bit scales, d; groups of 16. x = d (s − 32) (q − 4). */
const decodeQ3_K: DecodeBlock = (bytes, at, out, to) => {
  const d = half(bytes, at + 108);
  const scales = at + 96;
  for (let i = 0; i < 256; i++) {
    const group = i >> 4;
    const low = (bytes[scales + (group & 7)]! >> ((group >> 3) << 2)) & 15;
    const high = (bytes[scales + 8 + (group & 3)]! >> ((group >> 2) << 1)) & 3;
    const quants = bytes[at + 32 + ((i >> 7) << 5) + (i & 31)]!;
    const third = (bytes[at + (i & 31)]! >> (i >> 5)) & 1;
    const q = ((quants >> (((i >> 5) & 3) << 1)) & 3) - (third === 1 ? 0 : 4);
    out[to + i] = d * ((low | (high << 4)) - 32) * q;
  }
};

/** The 6-bit scale of group `group` (0 … 7) in the 12 bytes that Q4_K and Q5_K share. */
function scaleK(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + group]! & 63;
  return (bytes[at + 4 + group]! & 15) | ((bytes[at + group - 4]! >> 2) & 48);
}

/** The 6-bit minimum that goes with `scaleK`. */
function minimumK(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + 4 + group]! & 63;
  return (bytes[at + 4 + group]! >> 4) | ((bytes[at + group]! >> 2) & 48);
}

/** d, dmin, 12 bytes of scales and minima, 128 of nibbles; groups of 32. x = d s q − dmin m. */
const decodeQ4_K: DecodeBlock = (bytes, at, out, to) => {
  const d = half(bytes, at);
  const dmin = half(bytes, at + 2);
  for (let group = 0; group < 8; group++) {
    const scale = d * scaleK(bytes, at + 4, group);
    const minimum = dmin * minimumK(bytes, at + 4, group);
    const nibbles = at + 16 + (group >> 1) * 32;
    for (let i = 0; i < 32; i++) {
      const q = (bytes[nibbles + i]! >> ((group & 1) << 2)) & 15;
      out[to + group * 32 + i] = scale * q - minimum;
    }
  }
};

/** As Q4_K, with 32 bytes of fifth bits before the nibbles. */
const decodeQ5_K: DecodeBlock = (bytes, at, out, to) => {
  const d = half(bytes, at);
  const dmin = half(bytes, at + 2);
  for (let group = 0; group < 8; group++) {
    const scale = d * scaleK(bytes, at + 4, group);
    const minimum = dmin * minimumK(bytes, at + 4, group);
    const nibbles = at + 48 + (group >> 1) * 32;
    for (let i = 0; i < 32; i++) {
      const low = (bytes[nibbles + i]! >> ((group & 1) << 2)) & 15;
      const fifth = (bytes[at + 16 + i]! >> group) & 1;
      out[to + group * 32 + i] = scale * (low | (fifth << 4)) - minimum;
    }
  }
};

/** 128 bytes of nibbles, 64 of upper bit pairs, 16 signed scales, d; groups of 16. x = d s (q − 32). */
const decodeQ6_K: DecodeBlock = (bytes, at, out, to) => {
  const d = half(bytes, at + 208);
  for (let i = 0; i < 256; i++) {
    const upper = i >> 7;
    const nibbles = bytes[at + (upper << 6) + (i & 63)]!;
    const low = (nibbles >> (((i >> 6) & 1) << 2)) & 15;
    const high = (bytes[at + 128 + (upper << 5) + (i & 31)]! >> (((i >> 5) & 3) << 1)) & 3;
    out[to + i] = d * signed(bytes[at + 192 + (i >> 4)]!) * ((low | (high << 4)) - 32);
  }
};

/** The GGML types that can be turned into float32, by ggml's names. */
export const quantTypes: Readonly<Record<string, QuantType>> = {
  F32: { id: 0, blockSize: 1, blockBytes: 4, decode: ({ buffer }) => new Float32Array(buffer) },
  F16: {
    id: 1,
    blockSize: 1,
    blockBytes: 2,
    decode: ({ buffer }) => halvesToFloat32(new Uint16Array(buffer)),
  },
  BF16: {
    id: 30,
    blockSize: 1,
    blockBytes: 2,
    decode: ({ buffer }) => bfloatsToFloat32(new Uint16Array(buffer)),
  },
  Q4_0: blocks(2, 32, 18, decodeQ4_0),
  Q4_1: blocks(3, 32, 20, decodeQ4_1),
  Q5_0: blocks(6, 32, 22, decodeQ5_0),
  Q5_1: blocks(7, 32, 24, decodeQ5_1),
  Q8_0: blocks(8, 32, 34, decodeQ8_0),
  Q2_K: blocks(10, 256, 84, decodeQ2_K),
  Q3_K: blocks(11, 256, 110, decodeQ3_K),
  Q4_K: blocks(12, 256, 144, decodeQ4_K),
  Q5_K: blocks(13, 256, 176, decodeQ5_K),
  Q6_K: blocks(14, 256, 210, decodeQ6_K),
};
