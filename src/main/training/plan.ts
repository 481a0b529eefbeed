/** What a training will take in memory, disk and time, estimated before it starts. */
export { calibrate, type CalibrationOptions } from './plan/calibrate.ts';
export { checkpointBytes, metricBytesPerStep, planDisk, type Writing } from './plan/disk.ts';
export { alternatives, leastMemory, type MemoryShape } from './plan/memory-model.ts';
export { precheck } from './plan/precheck.ts';
export { availableMemory, freeMemory, peakMemory, volumeOf } from './plan/resources.ts';
