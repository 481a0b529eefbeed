import { createHash } from 'node:crypto';
import { env, InferenceSession, Tensor } from 'onnxruntime-node';
import { encodeOnnx, type EncodedGraph, type OnDemand } from '../graph/onnx.ts';
import type { DType, Value } from '../graph/types.ts';
import { cpu, lower, type Target } from '../lower/lower.ts';

export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array;

export interface Feed {
  readonly data: TensorData;
  readonly shape: readonly number[];
}

export interface SessionOptions {
  /** Threads of one operation. 0 lets the runtime choose: one per physical core. */
  readonly threads?: number | undefined;
  /** Folder of the `.safetensors` files that the graph's weights point into. */
  readonly weightsFolder?: string | undefined;
  /** The runtime's own graph rewriting. Off by default: the graph is emitted as it is to run, and equal graphs then
   * give equal bits whatever they are part of. */
  readonly optimization?: 'disabled' | 'basic' | 'extended' | 'all';
  /** Repacks frozen weights for faster products, at the cost of one more copy of each per use. */
  readonly prepack?: boolean | undefined;
  /** How long a thread with nothing to do looks out for more before it sleeps; absent: it sleeps at once. */
  readonly spinMicroseconds?: number | undefined;
  /** Keeps memory that a run has freed for the next one; without, it goes back to the system. On by default. */
  readonly arena?: boolean | undefined;
}

/** How a graph is encoded. */
export interface EncodingOptions {
  readonly target?: Target | undefined;
  readonly onDemand?: OnDemand | undefined;
}

/** The version of the runtime library that computes the numbers. */
export const runtimeVersion: string = env.versions.node ?? env.versions.common;

/** A graph as ONNX, with what names it. */
export interface HashedGraph extends EncodedGraph {
  /** SHA-256 of the encoded graph: what decides the last bits besides the runtime itself. */
  readonly hash: string;
}

/** Lowers and encodes a graph without opening a session for it. */
export function encodeGraph(
  outputs: Readonly<Record<string, Value>>,
  { target = cpu, prepack = true, onDemand }: EncodingOptions & Pick<SessionOptions, 'prepack'> = {},
): HashedGraph {
  const names = Object.keys(outputs);
  const lowered = lower(Object.values(outputs), target);
  const encoded = encodeOnnx(Object.fromEntries(names.map((name, place) => [name, lowered[place]!])), {
    repacks: prepack,
    onDemand,
  });
  return { ...encoded, hash: createHash('sha256').update(encoded.bytes).digest('hex') };
}

/**
 * A graph made ready to run. Made once and used for every length; the runtime leaks when sessions come and go, so keep
 * it as long as its graph is needed.
 */
export class GraphSession {
  readonly #session: InferenceSession;
  readonly inputs: ReadonlyMap<string, Value>;
  /** As `HashedGraph.hash`. */
  readonly graphHash: string;
  private constructor(session: InferenceSession, { inputs, hash }: HashedGraph) {
    this.#session = session;
    this.inputs = inputs;
    this.graphHash = hash;
  }

  /** @param outputs graph outputs by name */
  static async create(
    outputs: Readonly<Record<string, Value>>,
    options: SessionOptions & EncodingOptions = {},
  ): Promise<GraphSession> {
    return GraphSession.open(encodeGraph(outputs, options), options);
  }

  static async open(graph: HashedGraph, options: SessionOptions): Promise<GraphSession> {
    const { weightsFolder, threads } = options;
    if (graph.hasExternalWeights && weightsFolder === undefined) {
      throw new Error('a graph with weights needs the folder they lie in');
    }
    const session = await InferenceSession.create(graph.bytes, {
      executionProviders: ['cpu'],
      graphOptimizationLevel: options.optimization ?? 'disabled',
      executionMode: 'sequential',
      interOpNumThreads: 1,
      ...(threads ? { intraOpNumThreads: threads } : {}),
      // Lengths vary from run to run: a remembered memory plan would only grow.
      enableMemPattern: false,
      enableCpuMemArena: options.arena ?? true,
      logSeverityLevel: 3,
      extra: {
        session: {
          // Left to the runtime, workers spin for long and take the second core from the rest of the program.
          intra_op: options.spinMicroseconds
            ? { allow_spinning: '1', spin_duration_us: String(options.spinMicroseconds) }
            : { allow_spinning: '0' },
          ...(options.prepack === false ? { disable_prepacking: '1' } : {}),
          ...(weightsFolder === undefined
            ? {}
            : { model_external_initializers_file_folder_path: weightsFolder }),
        },
      },
    });
    return new GraphSession(session, graph);
  }

  /**
   * Runs the graph once. Feeds that the graph does not use are ignored.
   * @returns the outputs' data by name; int64 as BigInt64Array
   * @throws Error where an input of the graph is not fed
   */
  async run(
    feeds: Readonly<Record<string, Feed>>,
    fetches?: readonly string[],
  ): Promise<Record<string, TensorData>> {
    const tensors: Record<string, Tensor> = {};
    for (const [name, value] of this.inputs) {
      const feed = feeds[name];
      if (!feed) throw new Error(`the graph's input ${name} is not fed`);
      tensors[name] = new Tensor(runtimeTypes[value.dtype], feed.data as never, feed.shape);
    }
    const results = await this.#session.run(tensors, fetches ?? this.#session.outputNames);
    return Object.fromEntries(
      Object.entries(results).map(([name, tensor]) => [name, tensor.data as TensorData]),
    );
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

const runtimeTypes: Readonly<Record<DType, DType>> = {
  float32: 'float32',
  float64: 'float64',
  int64: 'int64',
  int32: 'int32',
  uint8: 'uint8',
  bool: 'bool',
};

/** Indices for an int64 input. */
export function int64(values: Iterable<number>): BigInt64Array {
  return BigInt64Array.from(values as Iterable<unknown> as Iterable<bigint>, (value) => BigInt(value));
}
