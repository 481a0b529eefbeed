import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError } from '../../shared/errors.ts';
import type { TrainingState } from '../engine/train/trainer.ts';
import { sha256OfFile } from '../formats/files.ts';
import { readSafetensorsHeader, readTensorFloat32, writeSafetensors } from '../formats/safetensors.ts';
import type { CheckpointPlace, CheckpointRule } from './job.ts';

/**
 * All that a run carries from step to step. Batch order, schedule and every random stream are functions of the run's
 * config and the step, gradients are accumulated within a step: with the step and these numbers a run goes on to the
 * last bit.
 */
export interface CheckpointFacts {
  /** Hash of the trainable numbers before the first step, and of the order of batches. */
  readonly adapterStartHash: string;
  readonly orderHash: string;
}

const tensorNames = ['first_moment', 'parameters', 'second_moment'] as const;

/** Where a checkpoint of this content lies. */
export function checkpointPath(folder: string, sha256: string): string {
  return join(folder, sha256.slice(0, 2), `${sha256}.safetensors`);
}

/**
 * Writes a checkpoint: under a temporary name, flushed, then named by the SHA-256 of its bytes.
 * @throws InputError naming the file where it cannot be written (the disk is full)
 */
export function writeCheckpoint(
  folder: string,
  state: TrainingState,
  facts: CheckpointFacts,
): { readonly sha256: string; readonly size: number } {
  const temporary = join(folder, `.${randomBytes(6).toString('hex')}.partial`);
  try {
    mkdirSync(folder, { recursive: true });
    const { parameters, optimizer, tokensSeen } = state;
    const shape = [parameters.length];
    writeSafetensors(
      temporary,
      [
        { name: 'parameters', shape, data: parameters },
        { name: 'first_moment', shape, data: optimizer.firstMoment },
        { name: 'second_moment', shape, data: optimizer.secondMoment },
      ],
      {
        metadata: {
          format: 'plumbline-checkpoint-1',
          step: String(optimizer.step),
          tokens_seen: String(tokensSeen),
          adapter_start: facts.adapterStartHash,
          order: facts.orderHash,
        },
      },
    );
    const sha256 = sha256OfFile(temporary);
    const { size } = statSync(temporary);
    const path = checkpointPath(folder, sha256);
    mkdirSync(dirname(path), { recursive: true });
    renameSync(temporary, path);
    synchronizeFolder(dirname(path));
    return { sha256, size };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const cause =
      code === 'ENOSPC' || code === 'EDQUOT'
        ? 'the disk is full; free space and resume, the last checkpoint before is kept'
        : message;
    throw new InputError(`the checkpoint cannot be written: ${cause}`, { file: folder });
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * Reads a checkpoint back.
 * @param facts what the run must have started from; absent for a fork
 * @throws InputError where it is gone, damaged, or another run's
 */
export function readCheckpoint(
  place: CheckpointPlace,
  size: number,
  facts: CheckpointFacts | undefined,
): TrainingState {
  const { metadata, read } = openCheckpoint(place, size);
  const [firstMoment, parameters, secondMoment] = tensorNames.map(read) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  if (
    facts &&
    (metadata['adapter_start'] !== facts.adapterStartHash || metadata['order'] !== facts.orderHash)
  ) {
    throw wrongCheckpoint(place, 'is of a run with another start or another order of batches');
  }
  return {
    parameters,
    optimizer: { step: place.step, firstMoment, secondMoment },
    tokensSeen: Number(metadata['tokens_seen']),
  };
}

/** The trained numbers of a checkpoint alone. @throws InputError where it is gone, damaged, or does not fit */
export function readParameters(place: CheckpointPlace, size: number): Float32Array {
  return openCheckpoint(place, size).read('parameters');
}

function openCheckpoint(
  place: CheckpointPlace,
  size: number,
): {
  readonly metadata: Readonly<Record<string, string>>;
  readonly read: (name: (typeof tensorNames)[number]) => Float32Array;
} {
  const { path, sha256, step } = place;
  if (!existsSync(path)) throw wrongCheckpoint(place, 'is gone');
  if (sha256OfFile(path) !== sha256)
    throw wrongCheckpoint(place, 'is damaged: its content is not what was written');
  const { tensors, metadata } = readSafetensorsHeader(path);
  if (Number(metadata['step']) !== step)
    throw wrongCheckpoint(place, `is of step ${metadata['step']}, not ${step}`);
  const read = (name: string): Float32Array => {
    const tensor = tensors.get(name);
    if (!tensor || tensor.shape.length !== 1 || tensor.shape[0] !== size) {
      throw wrongCheckpoint(place, `does not fit this run: ${name} should have ${size} numbers`);
    }
    return readTensorFloat32({ path }, tensor);
  };
  return { metadata, read };
}

function wrongCheckpoint({ path }: CheckpointPlace, cause: string): InputError {
  return new InputError(`the checkpoint ${cause}`, { file: path });
}

/** Writes checkpoints when they are due. */
export class Checkpointer {
  readonly #rule: CheckpointRule;
  readonly #facts: CheckpointFacts;
  readonly #onWritten: (written: { step: number; sha256: string; size: number }) => void;
  #lastTime = performance.now();
  #lastStep: number;
  /** Milliseconds that the last one took. */
  #cost = 0;

  /** @param step of the checkpoint that the run goes on from; 0 at its start */
  constructor(
    rule: CheckpointRule,
    facts: CheckpointFacts,
    step: number,
    onWritten: (written: { step: number; sha256: string; size: number }) => void,
  ) {
    this.#rule = rule;
    this.#facts = facts;
    this.#lastStep = step;
    this.#onWritten = onWritten;
  }

  /** To be called after each step. @param evaluated whether it was evaluated */
  afterStep(state: TrainingState, evaluated = false): void {
    const { steps, seconds } = this.#rule;
    if (evaluated && this.#rule.evaluations) {
      this.write(state);
      return;
    }
    const due =
      steps === undefined
        ? // Writing takes at most a fiftieth of the time.
          performance.now() - this.#lastTime >= Math.max(1000 * seconds, 50 * this.#cost)
        : state.optimizer.step % steps === 0;
    if (due) this.write(state);
  }

  /** Writes one now, unless this step has one. */
  write(state: TrainingState): void {
    const { step } = state.optimizer;
    if (step === this.#lastStep) return;
    const started = performance.now();
    const { sha256, size } = writeCheckpoint(this.#rule.folder, state, this.#facts);
    this.#lastTime = performance.now();
    this.#cost = this.#lastTime - started;
    this.#lastStep = step;
    this.#onWritten({ step, sha256, size });
  }
}

/** A new name is safe from a power cut only when its folder has reached the disk; Windows journals that. */
function synchronizeFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
