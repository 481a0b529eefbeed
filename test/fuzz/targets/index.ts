import type { Target } from '../target.ts';
import { csv, json, jsonl, parquet, questions } from './data.ts';
import { gguf } from './gguf.ts';
import { model } from './model.ts';
import { peft } from './peft.ts';
import { safetensors } from './safetensors.ts';
import { template } from './template.ts';
import { tokenizer } from './tokenizer.ts';

/** A further reader is one file with a target, and its line here. */
export const targets: readonly Target[] = [
  safetensors,
  gguf,
  model,
  peft,
  tokenizer,
  template,
  jsonl,
  json,
  csv,
  parquet,
  questions,
];
