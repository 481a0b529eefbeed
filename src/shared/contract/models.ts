import type { ModelSummary } from '../contract.ts';

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
