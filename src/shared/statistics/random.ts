/** One step of xoshiro128** 1.1 (Blackman and Vigna 2018); advances the four 32-bit words of `state` in place. */
export function xoshiro128StarStar(state: Uint32Array): number {
  const second = state[1]!;
  const scrambled = Math.imul(second, 5);
  const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
  state[2]! ^= state[0]!;
  state[3]! ^= second;
  state[1]! ^= state[2]!;
  state[0]! ^= state[3]!;
  state[2]! ^= second << 9;
  state[3] = (state[3]! << 11) | (state[3]! >>> 21);
  return result;
}

/** A seeded generator of numbers in [0, 1) with 32 random bits; its state is filled from the seed by SplitMix32. */
export function randomGenerator(seed: number): () => number {
  const state = new Uint32Array(4);
  let word = seed >>> 0;
  for (let index = 0; index < 4; index++) {
    word = (word + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    state[index] = mixed ^ (mixed >>> 15);
  }
  return () => xoshiro128StarStar(state) / 0x1_0000_0000;
}
