import type { Plan } from '../../../shared/plan.ts';
import { alternatives, leastMemory, sumOf, type MemoryShape } from './memory-model.ts';
import { availableMemory } from './resources.ts';

/**
 * The least that a training needs, from shapes alone: refuses the hopeless before any session is made.
 * @param available bytes that the process may have; what the machine has if absent
 */
export function precheck(shape: MemoryShape, available = availableMemory()): Plan {
  const parts = leastMemory(shape);
  const peak = sumOf(parts);
  return {
    memory: {
      peak,
      parts: [
        { name: 'program', amount: parts.program },
        { name: 'weights', amount: parts.weights },
        { name: 'trained numbers', amount: parts.trained },
        { name: 'longest sequence', amount: parts.activations },
        { name: 'answers', amount: parts.answers },
      ],
      available,
      alternatives: alternatives(shape, peak),
    },
    disk: [],
  };
}
