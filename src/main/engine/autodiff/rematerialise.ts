import { after } from '../graph/ops/index.ts';
import { applyAll, nodeOf, type Node, type Value } from '../graph/types.ts';
import { reachableNodes } from '../graph/verify.ts';

/** A stretch of the forward pass of which only the start is kept: all else is made again for the backward pass. */
export interface Stretch {
  readonly start: Value;
  readonly end: Value;
  /** The gradient by `end`: when it is there, the stretch's turn has come. */
  readonly gradient: Value;
}

/**
 * Activation checkpointing (Chen et al. 2016): lets the backward pass read copies of what stretches of the forward pass
 * computed, so that their values need not outlive it. Each copy is tied to the gradient of its stretch's end, so that a runtime
 * that orders nodes by their inputs makes it when it is needed, not while the first pass runs. Equal nodes give equal bits, so
 * the gradient does not change.
 * @param stretches in forward order, none inside another
 * @param backward the first id that the backward pass was made with (`Node.id`)
 * @param isRemade which nodes of a stretch are made again; what others made is kept. All if absent
 * @returns the outputs in the same order
 */
export function rematerialise(
  outputs: readonly Value[],
  stretches: readonly Stretch[],
  backward: number,
  isRemade: (node: Node) => boolean = () => true,
): readonly Value[] {
  const made = new Map<Value, Value>();
  const copies = stretches.map((stretch) => new Copies(stretch, made, isRemade));
  const current = (value: Value): Value => {
    const known = made.get(value);
    if (known) return known;
    const node = nodeOf(value);
    if (!node || node.id >= backward) return value;
    const home = copies.find((each) => each.holds(node));
    return home ? home.copy(value) : value;
  };
  for (const node of reachableNodes(outputs)) {
    if (node.id < backward) continue;
    const inputs = node.inputs.map(current);
    if (inputs.every((value, place) => value === node.inputs[place])) continue;
    const results = applyAll(node.op, inputs, node.attributes);
    node.outputs.forEach((output, place) => made.set(output, results[place]!));
  }
  return outputs.map((value) => made.get(value) ?? value);
}

/** The copies of one stretch, each made once. */
class Copies {
  readonly #stretch: Stretch;
  readonly #made: ReadonlyMap<Value, Value>;
  readonly #isRemade: (node: Node) => boolean;
  readonly #copies = new Map<Value, Value>();
  readonly #first: number;
  readonly #last: number;

  constructor(stretch: Stretch, made: ReadonlyMap<Value, Value>, isRemade: (node: Node) => boolean) {
    this.#stretch = stretch;
    this.#made = made;
    this.#isRemade = isRemade;
    this.#first = nodeOf(stretch.start)?.id ?? -1;
    this.#last = nodeOf(stretch.end)?.id ?? -1;
  }

  holds(node: Node): boolean {
    return this.#isInside(node) && this.#isRemade(node);
  }

  /** The end is the start of the next stretch, and kept. */
  #isInside({ id }: Node): boolean {
    return id > this.#first && id < this.#last;
  }

  copy(value: Value): Value {
    const known = this.#copies.get(value);
    if (known) return known;
    const { start, gradient } = this.#stretch;
    const node = nodeOf(value);
    const isInside = node !== undefined && this.#isInside(node);
    if (value === start || (isInside && !this.#isRemade(node))) {
      const tied = after(value, this.#made.get(gradient) ?? gradient);
      this.#copies.set(value, tied);
      return tied;
    }
    if (!isInside) return value;
    const inputs = node.inputs.map((input) => this.copy(input));
    // What does not come from the start (parameters, masks) is there anyway.
    const same = inputs.every((input, place) => input === node.inputs[place]);
    const results = same ? node.outputs : applyAll(node.op, inputs, node.attributes);
    node.outputs.forEach((output, place) => this.#copies.set(output, results[place]!));
    return this.#copies.get(value)!;
  }
}
