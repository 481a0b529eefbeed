import { adamWDefaults, adamWStep, globalNorm, newOptimizerState } from '../../engine/train/optimizer.ts';

/** Numbers that an update is measured on; its time is proportional to their count. */
const most = 2 ** 20;

export interface UpdateTime {
  /** Seconds to add one pass's gradient to those before it. */
  readonly perPass: number;
  /** Seconds of the gradient's norm and of AdamW. */
  readonly perStep: number;
}

/** How long the optimizer's own loops take for so many numbers, measured on numbers of its own. */
export function measureUpdate(size: number): UpdateTime {
  const count = Math.min(size, most);
  const parameters = new Float32Array(count).fill(0.1);
  const gradient = new Float32Array(count).fill(0.01);
  const sum = new Float32Array(count);
  const state = newOptimizerState(count);
  const spans = [{ from: 0, to: count, decays: true }];
  const time = (work: () => void): number => {
    // Once to be compiled and to map the memory.
    work();
    const started = performance.now();
    work();
    return ((performance.now() - started) / 1000) * (size / count);
  };
  return {
    perPass: time(() => {
      for (let place = 0; place < count; place++) sum[place]! += gradient[place]!;
    }),
    perStep: time(() => {
      globalNorm(gradient);
      adamWStep(parameters, gradient, state, 0, 1, adamWDefaults, spans);
    }),
  };
}
