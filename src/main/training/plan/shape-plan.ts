import type { Plan, PlanPart } from '../../../shared/plan.ts';
import { memoryShape, recordBytes, withEarlierPeak, type CalibrationOptions } from './calibrate.ts';
import { planDisk } from './disk.ts';
import { alternatives, leastMemory, passMemory } from './memory-model.ts';
import { availableMemory } from './resources.ts';

/**
 * What the largest pass takes by what shapes say, as found: 1.4 to 2.0 times as much (SmolLM2-135M with short pairs, long prompts and long
 * answers, and the bundled example; plans were 6 % too low to 13 % too high). The runtime keeps freed buffers that no later one fits into.
 */
const expectedShare = 1.8;
/** More than was ever found. */
const cautiousShare = 3;
/** Of what can be had, what a job may need by a cautious guess without being measured first. */
const ampleShare = 0.8;

/**
 * Plans memory and disk from what the open sessions take and from shapes, without running anything, so that a job begins at once.
 * How long it takes is left to its own first steps.
 * @returns undefined where memory might become short: then passes are to be measured
 */
export function planFromShapes(options: CalibrationOptions): Plan | undefined {
  const { trainer, batches, pairs, config, runs = 1 } = options;
  const shape = memoryShape(options);
  const available = availableMemory();
  const opened = process.memoryUsage.rss();
  let largest = 0;
  for (const batch of batches) {
    const own = batch.map((place) => pairs[place]!);
    for (const pass of trainer.passes(own, config.loss)) largest = Math.max(largest, passMemory(shape, pass));
  }
  const { answers, weights } = leastMemory(shape);
  const numbers = 4 * trainer.size;
  const parts = (share: number): PlanPart[] => [
    { name: 'model and sessions', amount: opened },
    // Not repacked, they are mapped as they are first read.
    { name: 'weights', amount: config.lowMemory ? weights : 0 },
    { name: 'longest sequence', amount: Math.round(share * largest) },
    // The parameters, two moments, a pass's gradient and the sum of gradients.
    { name: 'optimizer', amount: numbers * (options.hasState ? 4 : 5) },
    { name: 'next run', amount: runs > 1 ? 3 * numbers : 0 },
    { name: 'answers', amount: Math.round(share * answers) },
    { name: 'records', amount: recordBytes },
  ];
  const most = sum(withEarlierPeak(parts(cautiousShare)));
  if (most > ampleShare * available) return undefined;
  const memory = withEarlierPeak(parts(expectedShare));
  const peak = sum(memory);
  return {
    memory: { peak, parts: memory, available, alternatives: alternatives(shape, peak) },
    disk: planDisk(options.writings ?? []),
  };
}

const sum = (parts: readonly PlanPart[]): number => parts.reduce((all, { amount }) => all + amount, 0);
