/** What the demo compares on the bundled example, but for its files: both losses, LoRA on all linear layers. */
export const demoSettings = {
  arms: ['dpo', 'minor-dpo'],
  /**
   * In a torch prototype of the example, three seeds, both losses lifted exact match alike at the first rate; the
   * second puts both under stress.
   */
  learningRates: [1e-3, 1e-2],
  seeds: [0, 1],
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
