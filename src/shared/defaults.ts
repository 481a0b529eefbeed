/** Values taken where nothing is said; β comes from the loss (src/shared/losses.ts), epochs are 1 unless steps are given. */
export const defaults = {
  learningRate: 5e-6,
  scheduler: 'cosine',
  warmup: 0.1,
  batchSize: 8,
  gradAccum: 1,
  epochs: 1,
  maxLength: 1024,
  maxGradNorm: 1,
  weightDecay: 0,
  seed: 0,
  shuffle: true,
  loraRank: 16,
  loraAlpha: 32,
  loraTargets: 'all-linear',
  samplePrompts: 3,
  sampleTokens: 64,
} as const;
