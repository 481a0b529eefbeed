import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { lossByName } from '../../../src/main/engine/losses/index.ts';
import { openModel } from '../../../src/main/engine/models/load.ts';
import { encodeGraph } from '../../../src/main/engine/session/session.ts';
import { selectTargets } from '../../../src/main/engine/train/adapter.ts';
import { trainGraph } from '../../../src/main/engine/train/graphs.ts';
import { graphSizes } from '../../../src/main/engine/train/scorer.ts';
import { attribute, readGraph, type GraphNode, type NodePart, type ReadGraph } from './parts.ts';

const folder = fileURLToPath(new URL('../../parity/fixtures/llama/untied', import.meta.url));

describe('the graph of a training pass', () => {
  let graph: ReadGraph;
  let nodesOf: (part: NodePart) => GraphNode[];
  let layers: number;
  const operators = (nodes: readonly GraphNode[], operator: string): number =>
    nodes.filter((node) => node.operator === operator).length;

  beforeAll(() => {
    const source = openModel(folder, folder);
    layers = source.config.layers;
    const trainable = {
      kind: 'lora',
      rank: 4,
      scale: 2,
      targets: selectTargets(source, 'all-linear'),
    } as const;
    const values = trainGraph(source, trainable, [lossByName('dpo')], {
      batch: 1,
      ...graphSizes({ longestSequence: 64, mostRows: 8 }),
    });
    graph = readGraph(encodeGraph(values).bytes);
    const found = attribute(graph);
    nodesOf = (part) => graph.nodes.filter((_, place) => found[place] === part);
  });

  test('is read', () => {
    expect(graph.inputs).toEqual(expect.arrayContaining(['token_ids', 'parameters', 'beta']));
    expect(graph.outputs).toEqual(expect.arrayContaining(['gradient', 'losses']));
    expect(graph.initializers.get('lm_head.weight')).toEqual({ isWeight: true });
    expect([...graph.initializers.values()].filter(({ isWeight }) => !isWeight)).not.toHaveLength(0);
  });

  test('every frozen layer is multiplied forward and backward, the first ones of all forward alone', () => {
    const uses = new Map<string, number>();
    for (const { inputs } of nodesOf('base')) {
      for (const name of inputs.filter((each) => graph.initializers.get(each)?.isWeight)) {
        uses.set(name, (uses.get(name) ?? 0) + 1);
      }
    }
    expect(uses.size).toBe(7 * layers);
    for (const [name, count] of uses) {
      expect([name, count]).toEqual([name, /layers\.0\.self_attn\.[qkv]_proj/.test(name) ? 1 : 2]);
    }
  });

  test('the head is the vocabulary, with the softmax over it', () => {
    const vocabulary = nodesOf('vocabulary');
    const readers = graph.nodes.filter(({ inputs }) =>
      inputs.some((name) => /embed_tokens|lm_head/.test(name)),
    );
    expect(vocabulary).toEqual(expect.arrayContaining(readers));
    expect(operators(vocabulary, 'Softmax')).toBe(1);
  });

  test('LoRA is multiplied by A and B, and back, and makes their gradients', () => {
    // · B, dY B and dB of seven layers each; x A, dA and the gradient of x of their four inputs, but that of the first of all.
    expect(nodesOf('lora')).toHaveLength((3 * 7 + 3 * 4) * layers - 1);
  });

  test('attention has its softmax and no norm', () => {
    const attention = nodesOf('attention');
    const softmaxes = operators(attention, 'Softmax');
    expect(softmaxes).toBeGreaterThanOrEqual(layers);
    expect(softmaxes).toBe(operators(graph.nodes, 'Softmax') - 1);
    // Products of whole matrices are other parts': attention's are one a head.
    expect(operators(attention, 'Gemm')).toBe(0);
    expect(operators(attention, 'SimplifiedLayerNormalization')).toBe(0);
    expect(operators(attention, 'RotaryEmbedding')).toBe(0);
  });

  test('norms, rotary positions and activations are the rest', () => {
    const rest = nodesOf('elementwise');
    // Made again for the backward pass, but for the last layer's.
    expect(operators(rest, 'SimplifiedLayerNormalization')).toBe(2 * layers + 1 + 2 * (layers - 1));
    // Queries and keys, forward and backward.
    expect(operators(rest, 'RotaryEmbedding')).toBe(4 * layers);
    expect(rest.some((node) => /MatMul|Gemm/.test(node.operator))).toBe(false);
  });
});

test('a graph that reads no tokens is the optimizer', () => {
  const nodes = [{ operator: 'Mul', inputs: ['gradient', 'scale'], outputs: ['step'] }];
  const inputs = ['gradient', 'scale'];
  expect(attribute({ nodes, initializers: new Map(), inputs, outputs: ['step'] })).toEqual(['optimizer']);
});
