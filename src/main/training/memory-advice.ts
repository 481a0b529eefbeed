import { formatBytes } from '../../shared/format.ts';
import { lowerMemory, type Plan } from '../../shared/plan.ts';

/**
 * What the runtime and Node say when memory cannot be had: ONNX Runtime's arena ("Failed to allocate memory for
 * requested buffer of size 6441472"), C++ ("std::bad_alloc"), V8 ("Array buffer allocation failed", "FATAL ERROR:
 * v8::ArrayBuffer::New Allocation failed - process out of memory", "… JavaScript heap out of memory") and the system.
 */
const messages =
  /failed to allocate memory|bad_?alloc|array buffer allocation failed|out of memory|cannot allocate memory|ENOMEM|not enough memory/i;

/** Whether a message says that memory could not be had. */
export function isMemoryFailure(message: string): boolean {
  return messages.test(message);
}

/** Of the expected peak: an allocation failed, though that much seemed to be there. */
const lessThanPlanned = 0.8;

/**
 * One sentence on a training that ran out of memory: how much it was to need, and what to lower and by how much.
 * @param plan what was estimated before it began; without one the advice has no figures
 * @param message what was said as it failed; empty where the process was killed
 * @param available bytes that a training may have now; the plan's figure if absent
 */
export function memoryAdvice(plan: Plan | undefined, message: string, available?: number): string {
  const size = /requested buffer of size (\d+)/i.exec(message)?.[1];
  const wanted = size === undefined ? '' : ` (a buffer of ${formatBytes(Number(size))} could not be had)`;
  const what = `memory ran out${wanted}`;
  if (!plan)
    return `${what}; lower the max length, train an adapter instead of every weight, or free some memory`;
  const { memory } = plan;
  const limit = Math.min(available ?? memory.available, memory.available, memory.peak * lessThanPlanned);
  return `${what}: about ${formatBytes(memory.peak)} are needed; ${lowerMemory(memory, limit)}`;
}
