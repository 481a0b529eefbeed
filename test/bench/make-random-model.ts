/**
 * Makes a model of random weights in Hugging Face's layout, to measure what only sizes decide: memory and time.
 *
 *     node test/bench/make-random-model.ts --out DIR [--dtype F16|BF16] [--tokenizer DIR] [--layers 28] [--hidden 1536]
 *         [--intermediate 8960] [--heads 12] [--key-value-heads 2] [--vocabulary 151936]
 *
 * Unless told, the sizes are Qwen2.5-1.5B's under Llama's architecture: 1.54 · 10⁹ parameters, 3.1 GB. Weights are normal with
 * standard deviation 0.02, norms 1. They are written as shards, a few MB in memory at a time. The tokenizer is copied
 * from a folder; it may know fewer tokens than the config says.
 */
import { copyFileSync, existsSync, mkdirSync, openSync, closeSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openConfig } from '../../src/main/engine/models/load.ts';
import { Random } from '../../src/main/engine/train/random.ts';
import { numberToHalf } from '../../src/main/formats/float16.ts';

const text = (value: string) => ({ type: 'string', default: value }) as const;
const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    dtype: text('F16'),
    tokenizer: text(fileURLToPath(new URL('../../resources/example/model', import.meta.url))),
    layers: text('28'),
    hidden: text('1536'),
    intermediate: text('8960'),
    heads: text('12'),
    'key-value-heads': text('2'),
    vocabulary: text('151936'),
  },
});
const { out, dtype } = values;
if (out === undefined || (dtype !== 'F16' && dtype !== 'BF16'))
  throw new Error('--out DIR is needed, and F16 or BF16 where --dtype is given');

const shardBytes = 1e9;
const numbersAtOnce = 1 << 20;
const deviation = 0.02;
/** bfloat16's bits are a float32's upper half. */
const toBfloat = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
const toBits = dtype === 'F16' ? numberToHalf : toBfloat;

const random = new Random(1, 'random model');
/** Weights are picked from so many draws: a pick is a table look-up, 10⁹ draws would take minutes. */
const pool = Uint16Array.from({ length: 1 << 16 }, () => toBits(deviation * random.normal()));
const one = toBits(1);

mkdirSync(out, { recursive: true });
const number = (name: keyof typeof values): number => Number(values[name]);
const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: number('vocabulary'),
  hidden_size: number('hidden'),
  intermediate_size: number('intermediate'),
  num_hidden_layers: number('layers'),
  num_attention_heads: number('heads'),
  num_key_value_heads: number('key-value-heads'),
  head_dim: number('hidden') / number('heads'),
  hidden_act: 'silu',
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  max_position_embeddings: 32768,
  tie_word_embeddings: true,
  torch_dtype: dtype === 'F16' ? 'float16' : 'bfloat16',
};
writeFileSync(join(out, 'config.json'), `${JSON.stringify(config, undefined, 2)}\n`);
for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'])
  if (existsSync(join(values.tokenizer, name))) copyFileSync(join(values.tokenizer, name), join(out, name));

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly numbers: number;
}

const { family, config: sizes } = openConfig(join(out, 'config.json'));
const shards: Tensor[][] = [[]];
let filled = 0;
for (const [name, shape] of family.parameterShapes(sizes)) {
  const numbers = shape.reduce((product, size) => product * size, 1);
  if (filled > 0 && filled + 2 * numbers > shardBytes) {
    shards.push([]);
    filled = 0;
  }
  shards.at(-1)!.push({ name, shape, numbers });
  filled += 2 * numbers;
}

const weightMap: Record<string, string> = {};
shards.forEach((tensors, place) => {
  const of = String(shards.length).padStart(5, '0');
  const file = `model-${String(place + 1).padStart(5, '0')}-of-${of}.safetensors`;
  for (const { name } of tensors) weightMap[name] = file;
  writeShard(join(out, file), tensors);
});
const total = shards.flat().reduce((sum, { numbers }) => sum + numbers, 0);
const index = { metadata: { total_size: 2 * total }, weight_map: weightMap };
writeFileSync(join(out, 'model.safetensors.index.json'), `${JSON.stringify(index, undefined, 2)}\n`);
console.log(`${out}: ${total} parameters, ${dtype}, ${shards.length} shards`);

function writeShard(path: string, tensors: readonly Tensor[]): void {
  let end = 0;
  const entries = tensors.map(({ name, shape, numbers }) => {
    const start = end;
    end += 2 * numbers;
    return [name, { dtype, shape, data_offsets: [start, end] }] as const;
  });
  const json = JSON.stringify(Object.fromEntries(entries));
  const header = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const descriptor = openSync(path, 'w');
  writeSync(descriptor, Buffer.concat([length, header]));
  const bits = new Uint16Array(numbersAtOnce);
  for (const { name, numbers } of tensors)
    for (let done = 0; done < numbers; done += numbersAtOnce) {
      const count = Math.min(numbersAtOnce, numbers - done);
      if (name.endsWith('norm.weight')) bits.fill(one, 0, count);
      else for (let at = 0; at < count; at++) bits[at] = pool[random.next() & 0xffff]!;
      writeSync(descriptor, new Uint8Array(bits.buffer, 0, 2 * count));
    }
  closeSync(descriptor);
}
