import { join } from 'node:path';
import packageManifest from '../../../package.json' with { type: 'json' };
import {
  evaluatePairs,
  type ComparisonResult,
  type Evaluation,
  type RunResult,
} from '../../shared/comparison.ts';
import { renderTable } from '../../shared/comparison-table.ts';
import { runConfigOf, stepCount, type RunConfig } from '../../shared/config.ts';
import { InputError } from '../../shared/errors.ts';
import { describeLoss } from '../../shared/losses.ts';
import { formatLearningRate } from '../../shared/format.ts';
import type { StepMetrics } from '../../shared/metrics.ts';
import { verdict } from '../../shared/verdict.ts';
import { toJsonLines, writeAskedFile } from '../formats/files.ts';
import { runtimeVersion } from '../engine/session/session.ts';
import { Scorer } from '../engine/train/scorer.ts';
import { NonFiniteError, Trainer, type TrainingPair } from '../engine/train/trainer.ts';
import { planBatches, runLoop } from '../training/loop.ts';
import { policyHash, savePolicy, startPolicy, type OpenModel, type Policy } from '../training/model.ts';
import { orderHash, prepareData, type PreparedData } from '../training/prepare.ts';
import { engineOptions, referenceLogProbs, scorePairs, withReference } from '../training/reference.ts';
import { commandOf } from './command-line.ts';
import type { CallOptions, CompareRequest, CompareResult } from './contract.ts';
import {
  requireWritable,
  requireWritableFolder,
  resolveData,
  resolveModel,
  type Library,
  type OpenData,
} from './library.ts';
import { countsOf, tellLeaks, tellNotes, tellWarmup } from './notes.ts';
import { RunRecorder } from './recorder.ts';
import { refuseEmptySeeds } from './replicates.ts';
import { writeReport } from './report.ts';
import { TaskRunner } from './task.ts';
import { holdOut, referencePolicy } from './train.ts';

const defaultTaskTokens = 256;

/**
 * Trains every arm at every learning rate from every seed, under identical conditions: one base, one reference cache,
 * and per seed one adapter start and one order of batches. Evaluates each, and the base, on held-out pairs.
 */
export async function compare(
  library: Library,
  request: CompareRequest,
  call: CallOptions,
): Promise<CompareResult> {
  const started = performance.now();
  const { data, shared, taskData, report } = request;
  if (report !== undefined) requireWritable(report, [request.model, data, shared.evalData, taskData]);
  if (request.out !== undefined) requireWritableFolder(request.out);
  const bench = await Workbench.open(library, request, call);
  const { store } = library;
  const comparison = store.comparisons.add({
    kind: 'grid',
    config: request,
    baseHash: bench.model.hash,
    dataHash: bench.data.hash,
  });
  store.comparisons.start(comparison.id);
  try {
    const result = await bench.run(comparison.id);
    if (request.report !== undefined) await writeReport(request.report, result);
    const verdicts = verdict(result);
    store.comparisons.finish(comparison.id, { verdict: verdicts, reportPath: request.report ?? null });
    return {
      comparison: result,
      verdicts,
      table: renderTable(result),
      counts: countsOf(bench.training),
      ...(request.report === undefined ? {} : { report: request.report }),
      ...(request.out === undefined ? {} : { out: request.out }),
      seconds: (performance.now() - started) / 1000,
    };
  } catch (error) {
    if (call.signal?.aborted) store.comparisons.interrupt(comparison.id);
    else store.comparisons.fail(comparison.id, error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    await bench.release();
  }
}

/** What all runs of one comparison share: opened once, used by each. */
class Workbench {
  readonly #library: Library;
  readonly #request: CompareRequest;
  readonly #call: CallOptions;
  readonly model: OpenModel;
  readonly data: OpenData;
  readonly training: PreparedData;
  readonly #held: PreparedData;
  readonly #shared: Shared;

  private constructor(
    library: Library,
    request: CompareRequest,
    call: CallOptions,
    opened: { model: OpenModel; data: OpenData; training: PreparedData; held: PreparedData; shared: Shared },
  ) {
    this.#library = library;
    this.#request = request;
    this.#call = call;
    this.model = opened.model;
    this.data = opened.data;
    this.training = opened.training;
    this.#held = opened.held;
    this.#shared = opened.shared;
  }

  static async open(library: Library, request: CompareRequest, call: CallOptions): Promise<Workbench> {
    const data = limitRows(resolveData(library, request.data), request.pairs);
    const { train, held } = holdOut(library, data, request.data, request.shared);
    if (!held) throw new InputError('a comparison needs held-out pairs', { file: request.data });
    const model = await resolveModel(library, request.model, call);
    const { maxLength } = request.shared;
    const options = { maxLength, needsRejected: true, file: request.data };
    const training = prepareData(train, model.tokenizer, options);
    const heldData = prepareData(held, model.tokenizer, {
      ...options,
      file: request.shared.evalData ?? request.data,
    });
    refuseLeaks(training.pairs, heldData.pairs, request);
    refuseEmptySeeds(request, training.pairs.length);
    tellNotes(training, call);
    tellWarmup(request.shared, stepCount(request.shared, training.pairs.length), call);
    const shared = await openShared(library, request, call, model, training.pairs, heldData.pairs);
    return new Workbench(library, request, call, { model, data, training, held: heldData, shared });
  }

  async run(comparisonId: number): Promise<ComparisonResult> {
    const { arms, learningRates, seeds } = this.#request;
    const base = await this.#evaluateBase();
    const grid = seeds.flatMap((seed) =>
      learningRates.flatMap((learningRate) => arms.map((loss) => ({ loss, learningRate, seed }))),
    );
    const runs: RunResult[] = [];
    for (const [place, cell] of grid.entries()) {
      const config = runConfigOf(this.#request.shared, cell);
      runs.push(await this.#runOne(comparisonId, config, { place, of: grid.length }));
    }
    return {
      schema: 1,
      createdAt: new Date().toISOString(),
      command: commandOf(this.#request),
      versions: {
        plumbline: packageManifest.version,
        node: process.versions.node,
        'onnxruntime-node': runtimeVersion,
      },
      model: {
        name: this.model.name,
        hash: this.model.hash,
        parameters: this.#shared.modelParameters,
      },
      data: {
        name: this.data.name,
        hash: this.data.hash,
        trainPairs: this.training.pairs.length,
        evalPairs: this.#held.pairs.length,
        skipped: this.training.skipped.length + this.#held.skipped.length,
      },
      config: describeSettings(this.#request),
      arms,
      learningRates,
      seeds,
      base,
      runs,
      onlyDiffers: differences(this.#request),
    };
  }

  async #evaluateBase(): Promise<Evaluation> {
    const evaluation = evaluatePairs(this.#shared.heldReference);
    const task = await this.#shared.task?.evaluate(this.#shared.baseParameters, this.#quiet('base'));
    const result = task ? { ...evaluation, task } : evaluation;
    this.#library.store.evaluations.add({
      runId: null,
      baseHash: this.model.hash,
      dataHash: this.data.hash,
      step: 0,
      result,
    });
    return result;
  }

  /** Progress of parts is told under the run's name, so that one always sees which run it belongs to. */
  #quiet(run: string): CallOptions {
    const { onProgress, signal } = this.#call;
    return {
      ...(signal ? { signal } : {}),
      ...(onProgress && {
        onProgress: (event) =>
          onProgress(event.kind === 'progress' ? { ...event, label: `${run}: ${event.label}` } : event),
      }),
    };
  }

  async #runOne(
    comparisonId: number,
    config: RunConfig,
    { place, of }: { place: number; of: number },
  ): Promise<RunResult> {
    const started = performance.now();
    const { trainer, scorer, task } = this.#shared;
    const call = this.#call;
    const name = `${config.loss}, lr ${formatLearningRate(config.learningRate)}, seed ${config.seed}`;
    const policy = startPolicy(this.model, config);
    const pairs = this.#shared.pairs;
    const batches = planBatches(config, pairs.length);
    const hashes = { orderHash: orderHash(pairs, batches), adapterStartHash: policyHash(policy) };
    const recorder = RunRecorder.start(this.#library.store, {
      comparisonId,
      config,
      baseHash: this.model.hash,
      dataHash: this.data.hash,
      ...hashes,
    });
    try {
      const state = trainer.newState(policy.parameters);
      const metrics: StepMetrics[] = [];
      let divergedAt: number | undefined;
      try {
        await runLoop({
          trainer,
          state,
          pairs,
          batches,
          config,
          ...(call.signal ? { signal: call.signal } : {}),
          onStep: (step, totalSteps) => {
            metrics.push(step);
            recorder.step(step);
            call.onProgress?.({ kind: 'step', run: name, metrics: step, totalSteps });
            call.onProgress?.({
              kind: 'progress',
              label: `run ${place + 1}/${of} ${name}`,
              done: place * totalSteps + step.step,
              total: of * totalSteps,
              unit: 'steps',
            });
          },
        });
      } catch (error) {
        if (!(error instanceof NonFiniteError)) throw error;
        // The step that failed changed nothing: what there was before it is evaluated, the run is marked.
        divergedAt = metrics.length + 1;
        call.onProgress?.({ kind: 'note', text: `${name}: ${error.message} at step ${divergedAt}` });
      }
      const quiet = this.#quiet(name);
      const { signal } = call;
      const scores = await scorePairs(scorer, state.parameters, this.#held.pairs, signal ? { signal } : {});
      const isFinite = scores.every(({ chosen, rejected }) => Number.isFinite(chosen + rejected));
      let evaluation: Evaluation | undefined;
      if (isFinite) {
        evaluation = evaluatePairs(scores, this.#shared.heldReference);
        if (task) evaluation = { ...evaluation, task: await task.evaluate(state.parameters, quiet) };
        recorder.evaluation(evaluation, metrics.length);
      } else {
        divergedAt ??= metrics.length;
      }
      const adapterPath = this.#save(config, policy, state.parameters, metrics);
      if (divergedAt === undefined) recorder.finish(metrics.length, adapterPath);
      else recorder.fail(new Error(`not finite at step ${divergedAt}`));
      return {
        id: String(recorder.id),
        loss: config.loss,
        learningRate: config.learningRate,
        seed: config.seed,
        ...hashes,
        status: divergedAt === undefined ? 'finished' : 'diverged',
        ...(divergedAt === undefined ? {} : { divergedAt }),
        metrics,
        ...(evaluation ? { evaluation } : {}),
        ...(adapterPath === undefined ? {} : { adapterPath }),
        seconds: (performance.now() - started) / 1000,
      };
    } catch (error) {
      recorder.fail(error, call.signal);
      throw error;
    }
  }

  #save(
    config: RunConfig,
    policy: Policy,
    parameters: Float32Array,
    metrics: readonly StepMetrics[],
  ): string | undefined {
    const { out } = this.#request;
    if (out === undefined) return undefined;
    const folder = join(
      out,
      `${config.loss}-lr${formatLearningRate(config.learningRate)}-seed${config.seed}`,
    );
    savePolicy(folder, { trainable: policy.trainable, parameters }, this.model);
    writeAskedFile(join(folder, 'metrics.jsonl'), toJsonLines(metrics));
    return folder;
  }

  async release(): Promise<void> {
    await this.#shared.trainer.release();
    await this.#shared.scorer.release();
    await this.#shared.task?.release();
  }
}

interface Shared {
  readonly trainer: Trainer;
  readonly scorer: Scorer;
  readonly task: TaskRunner | undefined;
  /** Training pairs with their reference log-probs. */
  readonly pairs: readonly TrainingPair[];
  readonly heldReference: Parameters<typeof evaluatePairs>[0];
  readonly baseParameters: Float32Array | undefined;
  readonly modelParameters: number;
}

async function openShared(
  library: Library,
  request: CompareRequest,
  call: CallOptions,
  model: OpenModel,
  training: readonly TrainingPair[],
  held: readonly TrainingPair[],
): Promise<Shared> {
  const { arms, learningRates, seeds, shared } = request;
  const config = runConfigOf(shared, { loss: arms[0]!, learningRate: learningRates[0]!, seed: seeds[0]! });
  const policy = startPolicy(model, config);
  const reference = referencePolicy(model, config, policy);
  const engine = engineOptions(shared.threads, training, held);
  const scores = await referenceLogProbs(library.store, model, reference, [...training, ...held], engine, {
    ...(call.signal ? { signal: call.signal } : {}),
    fileOf: (place) => (place < training.length ? request.data : (shared.evalData ?? request.data)),
    onProgress: (done, total) =>
      call.onProgress?.({ kind: 'progress', label: 'reference log-probs', done, total, unit: 'pairs' }),
  });
  const task =
    request.taskData === undefined
      ? undefined
      : await TaskRunner.open(model, policy.trainable, request.taskData, {
          maxTokens: request.taskTokens ?? defaultTaskTokens,
          ...(shared.threads === undefined ? {} : { threads: shared.threads }),
        });
  tellLeaks(training, task?.prompts ?? [], 'task questions', call);
  const shapes = model.source.family.parameterShapes(model.source.config).values();
  const sizes = [...shapes].map((shape) => shape.reduce((product, dim) => product * dim, 1));
  return {
    trainer: await Trainer.create(model.source, policy.trainable, arms, engine),
    scorer: new Scorer(model.source, policy.trainable, engine),
    task,
    pairs: withReference(training, scores.slice(0, training.length)),
    heldReference: scores.slice(training.length),
    // Full training feeds the base's own weights; an adapter of zeros is the base.
    baseParameters: policy.trainable.kind === 'full' ? policy.parameters : undefined,
    modelParameters: sizes.reduce((sum, size) => sum + size, 0),
  };
}

function limitRows(data: OpenData, rows: number | undefined): OpenData {
  return rows === undefined ? data : { ...data, rows: data.rows.slice(0, rows) };
}

/** A question on both sides would be held out in name only. */
function refuseLeaks(
  training: readonly TrainingPair[],
  held: readonly TrainingPair[],
  request: CompareRequest,
): void {
  const key = ({ prompt }: TrainingPair): string => prompt.join();
  const trained = new Set(training.map(key));
  const leaked = held.find((pair) => trained.has(key(pair)));
  if (leaked) {
    throw new InputError('this held-out prompt is trained on as well', {
      file: request.shared.evalData ?? request.data,
      row: leaked.index,
    });
  }
}

/** Settings that all arms share, flat for a table. */
function describeSettings(request: CompareRequest): Record<string, string | number | boolean | null> {
  const { lora, ...rest } = request.shared;
  const beta = request.shared.beta ?? describeLoss(request.arms[0]!).defaultBeta;
  const flat: Record<string, string | number | boolean | null> = { beta };
  for (const [name, value] of Object.entries(rest)) if (value !== undefined) flat[name] = value;
  if (lora) {
    flat['lora rank'] = lora.rank;
    flat['lora alpha'] = lora.alpha;
    flat['lora targets'] = Array.isArray(lora.targets) ? lora.targets.join(', ') : lora.targets;
  }
  return flat;
}

/** Names of the settings in which the arms of one learning rate and seed differ. */
function differences(request: CompareRequest): string[] {
  const cell = { learningRate: request.learningRates[0]!, seed: request.seeds[0]! };
  const configs = request.arms.map((loss) => runConfigOf(request.shared, { loss, ...cell }));
  const names = [...new Set(configs.flatMap((config) => Object.keys(config)))];
  return names.filter(
    (name) => new Set(configs.map((config) => JSON.stringify(config[name as keyof RunConfig]))).size > 1,
  );
}
