import type { StepMetrics } from '../../../shared/metrics.ts';
import { lossByName } from '../losses/index.ts';
import type { Loss } from '../losses/loss.ts';
import { lossFeeds, type LossSettings } from '../losses/parameters.ts';
import type { ModelSource } from '../models/family.ts';
import { discard, discardFeeds, heapBytes, shrinkHeap, shrinkIfWidened } from '../session/garbage.ts';
import type { Feed, GraphSession, TensorData } from '../session/session.ts';
import { distribute, type PackingRoom } from './distribute.ts';
import { areRounds, gradientWanted, pairsOf, trainableLayout, type Trainable } from './graphs.ts';
import { StepTelemetry, type PairTelemetry } from './telemetry.ts';
import {
  adamWDefaults,
  adamWStep,
  clipFactor,
  globalNorm,
  newOptimizerState,
  type DecaySpan,
  type OptimizerState,
} from './optimizer.ts';
import {
  packBatch,
  packPairs,
  predictedTokens,
  type PackablePair,
  type PackedPair,
  type PairPackingOptions,
} from './packing.ts';
import { joinChunks, Scorer, type Passes } from './scorer.ts';
import { canScore, openTrainingSession, trainerSizes, type TrainerOptions } from './trainer-session.ts';

/** Reference log-probs; `own` where the policy as it stands is the reference. */
export type Reference = { readonly chosen: number; readonly rejected: number } | 'own';

/** One pair to train on, with its reference log-probs where the loss needs them. */
export interface TrainingPair extends PackablePair {
  /** The row's place in its file, to name it when something goes wrong. */
  readonly index: number;
  readonly reference?: Reference;
}

/** Everything a run carries from step to step. */
export interface TrainingState {
  /** Flat trainable numbers, in layout order. */
  readonly parameters: Float32Array;
  readonly optimizer: OptimizerState;
  /** Tokens seen so far, counted as TRL does: the prompt once with each answer. */
  tokensSeen: number;
}

export interface StepSettings extends LossSettings {
  readonly learningRate: number;
  /** 0 turns clipping off. */
  readonly maxGradNorm: number;
  readonly weightDecay: number;
}

export interface StepResult {
  readonly metrics: Omit<StepMetrics, 'step' | 'epoch'>;
  readonly pairs: readonly PairTelemetry[];
}

/** What a step finds before it changes anything. */
export interface StepGradient {
  /** Of the mean loss of its pairs, before clipping. */
  readonly gradient: Float32Array;
  readonly telemetry: StepTelemetry;
  /** Seconds that finding it took. */
  readonly seconds: number;
}

/** Keeps what a step found for another that would find the same to the last bit, as the first steps of runs that differ in rate do. */
export interface GradientKeeper {
  recall(): StepGradient | undefined;
  /** @returns whether it is wanted again; if not, its memory is given back */
  keep(found: StepGradient): boolean;
}

/** Loss, gradient or log-probs stopped being finite: nothing was updated. */
export class NonFiniteError extends Error {
  override readonly name = 'NonFiniteError';
  /** Row indices of the pairs at fault; of the whole step where the gradient alone overflowed. */
  readonly rows: readonly number[];
  readonly quantity: 'loss' | 'gradient';

  constructor(quantity: 'loss' | 'gradient', rows: readonly number[]) {
    const shown = rows.slice(0, 8).join(', ') + (rows.length > 8 ? ', …' : '');
    super(`the ${quantity} is not finite (${rows.length === 1 ? 'row' : 'rows'} ${shown})`);
    this.quantity = quantity;
    this.rows = rows;
  }
}

/** Bytes of a gradient that, where memory is short, is not left to Node to collect some time: that takes some 20 ms a step. */
const worthClearing = 8 << 20;

/** Whether a loss looks at nothing but the chosen answer, whose last bits are then free. */
function mayBatch({ needsRejected, needsReference }: Loss): boolean {
  return !needsRejected && !needsReference;
}

/** One session that takes the optimizer steps of any number of runs: states, losses and rates come with each call. */
export class Trainer {
  readonly #session: GraphSession;
  readonly #losses: readonly Loss[];
  readonly #batch: number;
  readonly #packing: PairPackingOptions & { readonly room: PackingRoom };
  readonly #spans: readonly DecaySpan[];
  readonly #clearsUp: boolean;
  readonly #source: ModelSource;
  readonly #trainable: Trainable;
  readonly #options: TrainerOptions;
  /** Number of trained parameters. */
  readonly size: number;

  private constructor(
    session: GraphSession,
    losses: readonly Loss[],
    shape: {
      readonly batch: number;
      readonly packing: PairPackingOptions & { readonly room: PackingRoom };
      readonly spans: readonly DecaySpan[];
      readonly size: number;
      readonly lowMemory: boolean;
    },
    made: { source: ModelSource; trainable: Trainable; options: TrainerOptions },
  ) {
    this.#session = session;
    this.#losses = losses;
    this.#batch = shape.batch;
    this.#packing = shape.packing;
    this.#spans = shape.spans;
    this.size = shape.size;
    this.#clearsUp = shape.lowMemory && 4 * shape.size >= worthClearing;
    this.#source = made.source;
    this.#trainable = made.trainable;
    this.#options = made.options;
  }

  /** @param losses names of the losses that steps may use */
  static async create(
    source: ModelSource,
    trainable: Trainable,
    losses: readonly string[],
    options: TrainerOptions,
  ): Promise<Trainer> {
    const batch = options.batch ?? 1;
    const sizes = trainerSizes(options);
    const chosen = losses.map(lossByName);
    if (batch > 1 && !chosen.every(mayBatch)) {
      throw new Error('what has a rejected answer or a reference is packed one by one');
    }
    const { lowMemory = false } = options;
    const before = heapBytes();
    const session = await openTrainingSession(source, trainable, chosen, { ...options, batch });
    if (lowMemory) shrinkHeap();
    else shrinkIfWidened(before);
    const layout = trainableLayout(source, trainable);
    const spans = layout.entries.map(({ name, offset, size }) => ({
      from: offset,
      to: offset + size,
      // transformers' Trainer leaves norms and biases undecayed.
      decays: !/norm\.weight$|\.bias$/.test(name),
    }));
    const groups = source.config.heads / source.config.keyValueHeads;
    const room: PackingRoom = options.room ?? sizes.blocks;
    const { chunks, rowsPerChunk, blocks } = sizes;
    const inRounds = areRounds(trainable, sizes);
    const packing = { groups, chunks, rowsPerChunk, inRounds, blocks, room, prefix: room.prefix };
    const made = { source, trainable, options };
    return new Trainer(session, chosen, { batch, packing, spans, size: layout.size, lowMemory }, made);
  }

  /** Sequences that one pass of the session takes side by side. */
  get batch(): number {
    return this.#batch;
  }

  /** As `PackingRoom.prefix`. */
  get prefix(): number | undefined {
    return this.#packing.prefix;
  }

  /**
   * Scores policies on this trainer's session, which must stay open as long.
   * @param trainable the shape of what is scored
   * @returns undefined where the session cannot (`canScore`)
   */
  scorer(trainable: Trainable): Scorer | undefined {
    if (!canScore(this.#trainable, trainable, this.#options)) return undefined;
    return new Scorer(this.#source, trainable, this.#options, this.#scoring());
  }

  /** Passes of the training graph whose loss is of no interest. */
  #scoring(): Passes {
    const slots = pairsOf({ batch: 1, blocks: this.#packing.blocks });
    const zeros: Feed = { data: new Float32Array(slots), shape: [slots] };
    const feeds: Readonly<Record<string, Feed>> = {
      ...lossFeeds(this.#losses, { loss: this.#losses[0]!.name, beta: 1 }),
      ...{ pair_weight: zeros, reference_chosen: zeros, reference_rejected: zeros },
      own_reference: { data: new Uint8Array(slots).fill(1), shape: [slots] },
      loss_index: { data: BigInt64Array.of(0n), shape: [1] },
      [gradientWanted]: { data: Uint8Array.of(0), shape: [] },
    };
    const { inRounds = false } = this.#packing;
    return { size: this.size, inRounds, run: (packed) => this.#session.run({ ...feeds, ...packed }) };
  }

  newState(parameters: Float32Array): TrainingState {
    if (parameters.length !== this.size) {
      throw new Error(`${parameters.length} parameters do not fill a layout of ${this.size}`);
    }
    return { parameters: parameters.slice(), optimizer: newOptimizerState(this.size), tokensSeen: 0 };
  }

  /**
   * One optimizer step on all given pairs, whose gradients are averaged as one batch.
   * @param keeper of what steps with the same parameters, pairs and loss have found. A step that takes it from there tells the seconds that
   *   finding it took then: runs are to be compared by what they cost, not by which came first
   * @throws NonFiniteError before anything is updated
   */
  async step(
    state: TrainingState,
    pairs: readonly TrainingPair[],
    settings: StepSettings,
    keeper?: GradientKeeper,
  ): Promise<StepResult> {
    const found = keeper?.recall() ?? (await this.#find(state.parameters, pairs, settings));
    const started = performance.now();
    const { gradient, telemetry } = found;
    const norm = globalNorm(gradient);
    if (!Number.isFinite(norm)) {
      const rows = pairs.map(({ index }) => index);
      throw new NonFiniteError('gradient', rows);
    }
    adamWStep(
      state.parameters,
      gradient,
      state.optimizer,
      settings.learningRate,
      clipFactor(norm, settings.maxGradNorm),
      { ...adamWDefaults, weightDecay: settings.weightDecay },
      this.#spans,
    );
    if (!keeper?.keep(found)) discard(gradient);
    state.tokensSeen += telemetry.tokens;
    const seconds = found.seconds + (performance.now() - started) / 1000;
    return {
      metrics: {
        ...telemetry.metrics(),
        grad_norm: norm,
        learning_rate: settings.learningRate,
        num_tokens: state.tokensSeen,
        'throughput/pairs_per_s': pairs.length / seconds,
        'time/step_s': seconds,
        'memory/rss': process.memoryUsage.rss(),
      },
      pairs: telemetry.pairs,
    };
  }

  async #find(
    parameters: Float32Array,
    pairs: readonly TrainingPair[],
    settings: StepSettings,
  ): Promise<StepGradient> {
    const started = performance.now();
    const telemetry = new StepTelemetry(settings.beta);
    const gradient = await this.accumulate(parameters, pairs, settings, telemetry);
    return { gradient, telemetry, seconds: (performance.now() - started) / 1000 };
  }

  /** Loss gradient of one step's pairs by every trainable number, before clipping. */
  async accumulate(
    parameters: Float32Array,
    pairs: readonly TrainingPair[],
    settings: LossSettings,
    telemetry: StepTelemetry,
  ): Promise<Float32Array> {
    const lossIndex = this.#losses.findIndex(({ name }) => name === settings.loss);
    const loss = this.#losses[lossIndex];
    if (!loss) throw new Error(`this trainer was made without the loss ${settings.loss}`);
    if (pairs.length === 0) throw new Error('a step needs at least one pair');
    const weight =
      loss.normalise === 'pairs'
        ? 1 / pairs.length
        : 1 / pairs.reduce((sum, pair) => sum + predictedTokens(pair, pair.chosen), 0);
    let total: Float32Array | undefined;
    for (const pass of this.#passes(pairs, loss)) {
      const { group, packed, results } = await this.#run(parameters, pass, loss, lossIndex, weight, settings);
      const found = telemetry.add(group, packed, results, loss, weight);
      if (found.length > 0) throw new NonFiniteError('loss', found);
      const gradient = results['gradient'] as Float32Array;
      if (!total) total = gradient;
      else {
        for (let place = 0; place < total.length; place++) total[place]! += gradient[place]!;
        discard(gradient);
      }
      if (this.#clearsUp) shrinkHeap();
    }
    telemetry.sort(pairs);
    return total!;
  }

  /** Pairs that go through the graph together, in their order. */
  passes(pairs: readonly TrainingPair[], loss: string): TrainingPair[][] {
    return this.#passes(pairs, lossByName(loss)).map((prompts) => prompts.flat());
  }

  /** What goes through the graph together, prompt by prompt. */
  #passes(pairs: readonly TrainingPair[], loss: Loss): TrainingPair[][][] {
    const batch = this.#batch;
    if (batch > 1)
      return Array.from({ length: Math.ceil(pairs.length / batch) }, (_, place) =>
        pairs.slice(place * batch, (place + 1) * batch).map((pair) => [pair]),
      );
    // Beside a reference the sequence stays whole: its log-probs were computed on it, and c is to have the same bits.
    const usable = !mayBatch(loss) ? pairs : pairs.map((pair) => ({ ...pair, rejected: new Int32Array() }));
    return distribute(usable, this.#packing.room).map((pass) =>
      pass.map((own) => own.map((place) => usable[place]!)),
    );
  }

  async #run(
    parameters: Float32Array,
    pass: readonly (readonly TrainingPair[])[],
    loss: Loss,
    lossIndex: number,
    weight: number,
    settings: LossSettings,
  ): Promise<{
    readonly group: readonly TrainingPair[];
    readonly packed: readonly PackedPair[];
    readonly results: Readonly<Record<string, TensorData>>;
  }> {
    const packing = this.#packing;
    const group = pass.flat();
    if (loss.needsReference && group.some(({ reference }) => reference === undefined)) {
      throw new Error(`${loss.name} needs reference log-probs`);
    }
    // A short last batch is filled up with its own last sequence at weight 0.
    const filled = Array.from(
      { length: this.#batch },
      (_, place) => group[Math.min(place, group.length - 1)]!,
    );
    const { feeds, pairs } = this.#batch === 1 ? packPairs(pass, packing) : packBatch(filled, packing);
    const packed = pairs.slice(0, group.length);
    const slots = pairsOf({ batch: this.#batch, blocks: packing.blocks });
    const perPair = (of: (pair: TrainingPair) => number): { data: Float32Array; shape: number[] } => {
      const data = new Float32Array(slots);
      group.forEach((pair, place) => (data[packed[place]!.slot] = of(pair)));
      return { data, shape: [slots] };
    };
    const own = new Uint8Array(slots);
    group.forEach(({ reference }, place) => (own[packed[place]!.slot] = reference === 'own' ? 1 : 0));
    const known = (reference: Reference | undefined) => (reference === 'own' ? undefined : reference);
    const results = await this.#session.run({
      ...feeds,
      parameters: { data: parameters, shape: [parameters.length] },
      pair_weight: perPair(() => weight),
      ...lossFeeds(this.#losses, settings),
      loss_index: { data: BigInt64Array.of(BigInt(lossIndex)), shape: [1] },
      reference_chosen: perPair(({ reference }) => known(reference)?.chosen ?? 0),
      reference_rejected: perPair(({ reference }) => known(reference)?.rejected ?? 0),
      own_reference: { data: own, shape: [slots] },
      [gradientWanted]: { data: Uint8Array.of(1), shape: [] },
    });
    discardFeeds(feeds);
    const joined = Object.fromEntries(
      ['token_log_probs', 'mean_logits', 'entropy', 'top_tokens'].map((name) => [
        name,
        joinChunks(results, name, packing.inRounds ? 1 : packing.chunks),
      ]),
    );
    return { group, packed, results: { ...results, ...joined } };
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}
