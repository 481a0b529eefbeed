/** AdamW's hyper-parameters as torch.optim.AdamW names them. */
export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

export const adamWDefaults: AdamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/** What an optimizer carries from step to step: all of it is needed to resume exactly. */
export interface OptimizerState {
  /** Steps taken. */
  step: number;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
}

export function newOptimizerState(size: number): OptimizerState {
  return { step: 0, firstMoment: new Float32Array(size), secondMoment: new Float32Array(size) };
}

/** A stretch of the flat parameters with its own weight decay: norms and biases have none. */
export interface DecaySpan {
  readonly from: number;
  readonly to: number;
  readonly decays: boolean;
}

/**
 * One AdamW step in place (Loshchilov & Hutter 2019, decoupled decay; the order of operations is torch.optim.AdamW's).
 * @param scale multiplies the gradient first: the clipping factor
 */
export function adamWStep(
  parameters: Float32Array,
  gradient: Float32Array,
  state: OptimizerState,
  learningRate: number,
  scale: number,
  options: AdamWOptions,
  spans: readonly DecaySpan[],
): void {
  state.step += 1;
  const { beta1, beta2, epsilon } = options;
  const { firstMoment, secondMoment } = state;
  const rest1 = 1 - beta1;
  const rest2 = 1 - beta2;
  // torch divides the root of the second moment by this correction for every number. Numerator and denominator are
  // multiplied by it instead, once: divisions bound the loop, and in double precision the difference is far below a
  // float32's last bit.
  const rootCorrection2 = Math.sqrt(1 - Math.pow(beta2, state.step));
  const stepSize = (learningRate / (1 - Math.pow(beta1, state.step))) * rootCorrection2;
  const scaledEpsilon = epsilon * rootCorrection2;
  for (const { from, to, decays } of spans) {
    const keep = decays ? 1 - learningRate * options.weightDecay : 1;
    for (let place = from; place < to; place++) {
      const slope = gradient[place]! * scale;
      const first = beta1 * firstMoment[place]! + rest1 * slope;
      const second = beta2 * secondMoment[place]! + rest2 * slope * slope;
      firstMoment[place] = first;
      secondMoment[place] = second;
      parameters[place] =
        parameters[place]! * keep - (stepSize * first) / (Math.sqrt(second) + scaledEpsilon);
    }
  }
}

/** Euclidean norm over all gradients, summed in double precision. */
export function globalNorm(gradient: Float32Array): number {
  let sum = 0;
  for (let place = 0; place < gradient.length; place++) sum += gradient[place]! * gradient[place]!;
  return Math.sqrt(sum);
}

/** torch.nn.utils.clip_grad_norm_'s factor: maxNorm / (norm + 1e-6), at most 1. */
export function clipFactor(norm: number, maxNorm: number): number {
  return maxNorm > 0 ? Math.min(1, maxNorm / (norm + 1e-6)) : 1;
}
