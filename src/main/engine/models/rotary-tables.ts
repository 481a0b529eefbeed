import { constant } from '../graph/types.ts';
import type { RotaryTables } from '../graph/ops/index.ts';
import type { DecoderConfig } from './config.ts';

/**
 * Rotary frequencies per pair of head dimensions, rounded to float32 where transformers rounds
 * (modeling_rope_utils.py: default, linear and llama3).
 */
export function inverseFrequencies(config: DecoderConfig): Float32Array {
  const { headSize, ropeTheta, ropeScaling } = config;
  const frequencies = Float32Array.from({ length: headSize / 2 }, (_, pair) =>
    Math.fround(1 / Math.fround(Math.pow(ropeTheta, Math.fround((2 * pair) / headSize)))),
  );
  switch (ropeScaling.type) {
    case 'default':
      return frequencies;
    case 'linear':
      return frequencies.map((frequency) => frequency / ropeScaling.factor);
    case 'llama3': {
      const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = ropeScaling;
      const longest = originalMaxPositions / lowFrequencyFactor;
      const shortest = originalMaxPositions / highFrequencyFactor;
      const { fround } = Math;
      return frequencies.map((frequency) => {
        // torch divides a number by a tensor as number · (1 / tensor), each step rounded.
        const wavelength = fround(fround(1 / frequency) * fround(2 * Math.PI));
        if (wavelength < shortest) return frequency;
        if (wavelength > longest) return frequency / factor;
        const turns = fround(fround(1 / wavelength) * originalMaxPositions);
        const smooth = fround(
          fround(turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor),
        );
        const stretched = fround(fround(fround(1 - smooth) * frequency) / factor);
        return stretched + fround(smooth * frequency);
      });
    }
  }
}

/** Cosines and sines [positions, headSize/2] as graph constants. */
export function rotaryTables(config: DecoderConfig, positions: number): RotaryTables {
  const frequencies = inverseFrequencies(config);
  const half = frequencies.length;
  const cosines = new Float32Array(positions * half);
  const sines = new Float32Array(positions * half);
  for (let position = 0; position < positions; position++) {
    for (let pair = 0; pair < half; pair++) {
      const angle = Math.fround(position * frequencies[pair]!);
      cosines[position * half + pair] = Math.cos(angle);
      sines[position * half + pair] = Math.sin(angle);
    }
  }
  const shape = [positions, half];
  return {
    cosines: constant(cosines, shape),
    sines: constant(sines, shape),
    negatedSines: constant(
      sines.map((value) => -value),
      shape,
    ),
  };
}
