export interface AddModelRequest {
  /** A Hugging Face folder or a `.gguf` file. */
  readonly path: string;
  /** Default: the folder's or file's own name. */
  readonly name?: string;
  /**
   * The library makes it its own: it is moved into the model store where its weights are used as they are, and removed
   * where they are converted. After a failure it is where it was.
   */
  readonly take?: true;
}
export interface ModelSummary {
  readonly name: string;
  readonly path: string;
  readonly format: 'safetensors' | 'gguf';
  /** The family's name in its config, e.g. `llama`. */
  readonly architecture: string;
  readonly parameters: number;
  readonly bytes: number;
  readonly layers: number;
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly chatTemplate: boolean;
  /** Its files are gone from where they were. */
  readonly missing: boolean;
  /** SHA-256 over the weights, in hexadecimal. */
  readonly hash: string;
  /** ISO 8601, UTC. */
  readonly addedAt: string;
}
export interface AddModelResult {
  readonly model: ModelSummary;
  /** False: the same weights were imported before, under the name given in `model`. */
  readonly added: boolean;
}
export interface ListModelsResult {
  readonly models: readonly ModelSummary[];
}

/** An imported model by its name. */
export interface ModelRequest {
  readonly model: string;
}
export interface ModelDetails extends ModelSummary {
  /** Its config.json, flat, in its order. */
  readonly config: readonly { readonly key: string; readonly value: string }[];
  /** By file and offset; types as the source has them, of GGUF and of a source that is gone as the copy has them. */
  readonly tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly type: string;
  }[];
  /** What LoRA can be put on, as PEFT names it. */
  readonly linearLayers: readonly string[];
  readonly tokenizer: {
    readonly vocabulary: number;
    readonly endTokens: readonly string[];
    readonly template?: string;
  };
  readonly runs: number;
}
export interface RenameModelRequest extends ModelRequest {
  readonly to: string;
}
export interface RemoveModelRequest extends ModelRequest {
  /** Without it nothing is removed; the result says what would be. */
  readonly confirmed: boolean;
}
export interface RemoveModelResult {
  readonly removed: boolean;
  /** Size of the converted copy that goes with it; 0 where the weights are used where they lie, which stay. */
  readonly bytes: number;
  /** Runs that were trained on it; they stay and can no longer be taken up again. */
  readonly runs: readonly number[];
}
