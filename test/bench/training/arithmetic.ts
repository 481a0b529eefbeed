import type { DecoderConfig } from '../../../src/main/engine/models/config.ts';

/** One packed sequence: a prompt that one or more answers follow, each seeing the prompt and itself alone. */
export interface SequenceLengths {
  /** Tokens of the prompt; at least one. */
  readonly prompt: number;
  /** Of these, how many are counted with another sequence that begins with the same; none if absent. */
  readonly shared?: number;
  /** Tokens of each answer; at least one each. */
  readonly answers: readonly number[];
}

/** Floating-point operations by part; a multiplication and an addition are two. */
export interface Arithmetic {
  /** Products with frozen weights of linear layers. */
  readonly base: number;
  /** Products with the adapter's A and B, and those that make their gradients. */
  readonly lora: number;
  /** Scores and mixing of values, only where a query sees a key. */
  readonly attention: number;
  /** Products with the vocabulary's weights. */
  readonly head: number;
  readonly total: number;
}

const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

const partsTotal = (parts: Omit<Arithmetic, 'total'>): Arithmetic => ({
  ...parts,
  total: parts.base + parts.lora + parts.attention + parts.head,
});

/** What the counts are made of, summed over sequences. */
interface Counts {
  /** Tokens that the model reads. An answer's last token is only predicted. */
  readonly tokens: number;
  /** Tokens that are predicted: every one of every answer. */
  readonly predicted: number;
  /** Pairs of a query and a key that it sees. */
  readonly seen: number;
}

function count(sequences: readonly SequenceLengths[]): Counts {
  const triangle = (length: number): number => (length * (length + 1)) / 2;
  return {
    tokens: sum(
      sequences.map(
        ({ prompt, shared = 0, answers }) => prompt - shared + sum(answers.map((length) => length - 1)),
      ),
    ),
    predicted: sum(sequences.flatMap(({ answers }) => answers)),
    seen: sum(
      sequences.map(
        ({ prompt, shared = 0, answers }) =>
          triangle(prompt) -
          triangle(shared) +
          sum(answers.map((length) => (length - 1) * prompt + triangle(length - 1))),
      ),
    ),
  };
}

interface LayerSizes {
  /** in · out, summed over a block's linear layers. */
  readonly products: number;
  /** The same of those that read the block's own input: query, key and value. */
  readonly firstProducts: number;
  /** in + out, summed. */
  readonly widths: number;
  /** in, of query, key and value. */
  readonly firstInputs: number;
}

function layerSizes(config: DecoderConfig): LayerSizes {
  const { hiddenSize: hidden, intermediateSize: wide, heads, keyValueHeads, headSize } = config;
  const query = heads * headSize;
  const key = keyValueHeads * headSize;
  const first = [
    [hidden, query],
    [hidden, key],
    [hidden, key],
  ] as const;
  const all = [...first, [query, hidden], [hidden, wide], [hidden, wide], [wide, hidden]] as const;
  return {
    products: sum(all.map(([from, to]) => from * to)),
    firstProducts: sum(first.map(([from, to]) => from * to)),
    widths: sum(all.map(([from, to]) => from + to)),
    firstInputs: sum(first.map(([from]) => from)),
  };
}

/**
 * The arithmetic that a forward pass over packed sequences needs, with a frozen model of Llama's shape and no adapter.
 *
 * With T tokens read, R predicted, S pairs of a query and a key it sees, L layers, h heads of size d, a hidden size H and
 * a vocabulary V:
 *
 *     base = 2 · T · L · Σ in · out        attention = 4 · S · L · h · d        head = 2 · R · H · V
 *
 * What a prompt shares with another counts there alone. A prompt of P tokens and answers of n₁, n₂, … give T = P + Σ (nᵢ − 1), R = Σ nᵢ and
 * S = P (P + 1) / 2 + Σ ((nᵢ − 1) P + (nᵢ − 1) nᵢ / 2). What is linear in the tokens and touches no matrix (norms, softmax,
 * rotary positions, activations) is not counted.
 */
export function forwardArithmetic(config: DecoderConfig, sequences: readonly SequenceLengths[]): Arithmetic {
  const { tokens, predicted, seen } = count(sequences);
  const { layers, heads, headSize, hiddenSize, vocabularySize } = config;
  return partsTotal({
    base: 2 * tokens * layers * layerSizes(config).products,
    lora: 0,
    attention: 4 * seen * layers * heads * headSize,
    head: 2 * predicted * hiddenSize * vocabularySize,
  });
}

/**
 * The arithmetic that one forward and backward pass needs, with LoRA of rank r on every linear layer of a frozen model.
 *
 * Beside the forward pass above, backward takes for every linear layer the gradient of its input, dX = dY W, as large as
 * forward; four products for attention where forward has two (dV, dP, dQ, dK); one for the head. LoRA takes 2 T r (in + out)
 * forward, as much for dA and dB, and as much for the gradients of its inner rows and its input. Nothing below the first
 * block is trained, so the gradient of its input, by query, key and value, is needed by nobody:
 *
 *     base      = 2 T (2 L Σ in · out − Σ_qkv in · out)        attention = 12 · S · L · h · d
 *     lora      = 2 T r (3 L Σ (in + out) − Σ_qkv in)           head      = 4 · R · H · V
 *
 * It is what the result needs, not what an implementation does: what one computes again to save memory, pads, multiplies
 * in the masked half of the scores, or reads twice (a prompt once per answer) counts as no more than this.
 */
export function trainingArithmetic(
  config: DecoderConfig,
  rank: number,
  sequences: readonly SequenceLengths[],
): Arithmetic {
  const { tokens, predicted, seen } = count(sequences);
  const { layers, heads, headSize, hiddenSize, vocabularySize } = config;
  const { products, firstProducts, widths, firstInputs } = layerSizes(config);
  return partsTotal({
    base: 2 * tokens * (2 * layers * products - firstProducts),
    lora: 2 * tokens * rank * (3 * layers * widths - firstInputs),
    attention: 12 * seen * layers * heads * headSize,
    head: 4 * predicted * hiddenSize * vocabularySize,
  });
}

interface PairTokens {
  readonly prompt: ArrayLike<number>;
  readonly chosen: ArrayLike<number>;
  readonly rejected: ArrayLike<number>;
}

/**
 * The sequences that the pairs of updates need: within an update, pairs of one prompt need it only once, and what all its prompts
 * begin with is needed once.
 * @param update pairs per optimizer update
 */
export function neededSequences(pairs: readonly PairTokens[], update: number): readonly SequenceLengths[] {
  const sequences: { prompt: number; shared: number; answers: number[] }[] = [];
  for (let start = 0; start < pairs.length; start += update) {
    const own = pairs.slice(start, start + update);
    const shared = commonBeginning(own.map(({ prompt }) => prompt));
    const ofPrompt = new Map<string, { prompt: number; shared: number; answers: number[] }>();
    for (const { prompt, chosen, rejected } of own) {
      const key = Array.from(prompt).join();
      let sequence = ofPrompt.get(key);
      if (!sequence) {
        sequence = { prompt: prompt.length, shared: ofPrompt.size === 0 ? 0 : shared, answers: [] };
        ofPrompt.set(key, sequence);
        sequences.push(sequence);
      }
      sequence.answers.push(chosen.length, rejected.length);
    }
  }
  return sequences;
}

function commonBeginning(prompts: readonly ArrayLike<number>[]): number {
  const [first, ...others] = prompts;
  let length = first?.length ?? 0;
  for (const prompt of others) {
    let same = 0;
    while (same < length && same < prompt.length && prompt[same] === first![same]) same += 1;
    length = same;
  }
  return length;
}
