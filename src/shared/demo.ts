/** What the demo compares on the bundled example, but for its files: both losses, LoRA on all linear layers. */
export const demoSettings = {
  arms: ['dpo', 'minor-dpo'],
  /**
   * In a torch prototype of the example, three seeds, both losses lifted exact match alike at the first rate; the
   * second puts both under stress.
   */
  learningRates: [1e-3, 1e-2],
  /**
   * Verdicts need three. By the noise measured on this example before (test/honesty/experiments.ts) they would find a
   * difference of 8.9 points in task accuracy with three seeds, 4.8 with four and 3.5 with five, at 80 % power.
   */
  seeds: [0, 1, 2, 3, 4],
  shared: {
    beta: 0.1,
    batchSize: 8,
    epochs: 1,
    scheduler: 'cosine',
    warmup: 0.1,
    lora: { rank: 8, alpha: 16, targets: 'all-linear' },
  },
  /** Tokens of the longest answer to a question. */
  taskTokens: 32,
} as const;
