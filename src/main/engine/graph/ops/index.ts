import * as attention from './attention.ts';
import * as blocks from './blocks.ts';
import * as elementwise from './elementwise.ts';
import * as linear from './linear.ts';
import * as quantised from './quantised.ts';
import * as rounds from './rounds.ts';
import * as shapeOps from './shape-ops.ts';
import * as transformer from './transformer.ts';
import type { AnyOp } from '../types.ts';

export * from './attention.ts';
export * from './blocks.ts';
export * from './elementwise.ts';
export * from './linear.ts';
export * from './quantised.ts';
export * from './rounds.ts';
export * from './shape-ops.ts';
export * from './transformer.ts';

/** Every operation record, for the gradient check: each one with a rule is tested by its own cases. */
export const allOps: readonly AnyOp[] = [
  attention,
  blocks,
  elementwise,
  shapeOps,
  linear,
  quantised,
  rounds,
  transformer,
]
  .flatMap((module) => Object.values(module) as unknown[])
  .filter((entry): entry is AnyOp => typeof entry === 'object' && entry !== null && 'infer' in entry);
