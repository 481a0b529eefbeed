import { describe, expect, test } from 'vitest';
import { parts } from './parts.ts';
import {
  kernelTable,
  kernelTimes,
  optimizerShare,
  partSeconds,
  partTable,
  type SessionTrace,
  type TraceEvent,
} from './profile-report.ts';

const run = (ts: number): TraceEvent => ({ cat: 'Session', name: 'model_run', ts, dur: 90 });
const kernel = (node: number, operator: string, ts: number, dur: number): TraceEvent => ({
  cat: 'Node',
  name: `${operator}_${node}_kernel_time`,
  ts,
  dur,
  args: { node_index: String(node), op_name: operator },
});
// Three passes, of which the first warms up. Events stand as they ended.
const trace: SessionTrace = {
  nodeParts: ['base', 'attention', 'base'],
  passes: 2,
  events: [
    kernel(0, 'Gemm', 10, 5_000_000),
    run(1),
    kernel(0, 'Gemm', 110, 40_000),
    kernel(1, 'Softmax', 120, 10_000),
    { ...kernel(1, 'Softmax', 120, 70_000), name: 'Softmax_1_fence_before' },
    run(100),
    kernel(0, 'Gemm', 210, 40_000),
    kernel(2, 'Gemm', 220, 20_000),
    run(200),
  ],
};

describe('kernels', () => {
  test('of the passes that count, summed by part and operator', () => {
    expect(kernelTimes([trace])).toEqual([
      { part: 'base', operator: 'Gemm', calls: 3, seconds: expect.closeTo(0.1, 9) as number },
      { part: 'attention', operator: 'Softmax', calls: 1, seconds: expect.closeTo(0.01, 9) as number },
    ]);
  });
  test('of a session that did not run count nothing', () => {
    expect(kernelTimes([{ ...trace, passes: 0 }])).toEqual([]);
  });
  test('of another graph are refused', () => {
    expect(() => kernelTimes([{ ...trace, nodeParts: ['base'] }])).toThrow(/kernel of node 1/);
    expect(() => kernelTimes([{ ...trace, passes: 4 }])).toThrow(/3 passes of 4/);
  });
});

// 300 in the optimizer, 100 in the rest of the engine; native code and idle time count for neither.
const script = {
  nodes: [
    { id: 1, callFrame: { url: '' } },
    { id: 2, callFrame: { url: 'file:///p/src/main/engine/train/optimizer.ts' } },
    { id: 3, callFrame: { url: 'file:///p/src/main/engine/train/packing.ts' } },
  ],
  samples: [1, 2, 3, 2],
  timeDeltas: [9000, 100, 100, 200],
};

test('the share of the optimizer in the scripts', () => {
  expect(optimizerShare(script)).toBe(0.75);
  expect(optimizerShare({ nodes: [] })).toBe(0);
});

describe('parts', () => {
  // Of 0.2 s the runtime had 0.16, its kernels 0.11.
  const input = { traces: [trace], script, updateSeconds: 0.2, runtimeSeconds: 0.16 };

  test('fill the whole time', () => {
    const seconds = partSeconds(input);
    expect(seconds).toEqual({
      base: expect.closeTo(0.1, 9) as number,
      lora: 0,
      attention: expect.closeTo(0.01, 9) as number,
      vocabulary: 0,
      elementwise: 0,
      optimizer: expect.closeTo(0.03, 9) as number,
      script: expect.closeTo(0.01, 9) as number,
      runtime: expect.closeTo(0.05, 9) as number,
    });
    expect(Object.values(seconds).reduce((sum, each) => sum + each)).toBeCloseTo(0.2, 9);
  });

  test('as tables, the longest first', () => {
    const report = {
      updates: 1,
      pairs: 2,
      seconds: partSeconds(input),
      kernels: kernelTimes([trace]),
    };
    const arithmetic = { base: 20e9, lora: 1e9, attention: 3e9, head: 1e9, total: 25e9 };
    const { rows } = partTable(report, arithmetic);
    expect(rows[0]).toEqual([parts.base, '50.0', '50.0 %', '200']);
    expect(rows[1]).toEqual([parts.runtime, '25.0', '25.0 %', '']);
    expect(rows.at(-1)).toEqual(['whole update', '100.0', '100.0 %', '125']);
    expect(kernelTable(report, 1).rows).toEqual([['Gemm', parts.base, '2', '50.0', '50.0 %']]);
  });
});
