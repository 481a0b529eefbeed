import { InputError } from '../../shared/errors.ts';
import { continueText } from '../training/decode.ts';
import { loadPolicy } from '../training/model.ts';
import type { CallOptions, GenerateRequest, GenerateResult } from '../../shared/contract.ts';
import { resolveModel, type Library } from './library.ts';

/** Continues one prompt, telling each piece of text as soon as its characters are complete. */
export async function generate(
  library: Library,
  request: GenerateRequest,
  call: CallOptions & { readonly onToken?: (text: string) => void },
): Promise<GenerateResult> {
  const started = performance.now();
  const model = await resolveModel(library, request.model, call);
  if (request.chat && model.tokenizer.chatTemplate === undefined) {
    throw new InputError('the model has no chat template; leave out --chat', { file: request.model });
  }
  const policy = request.adapter === undefined ? undefined : loadPolicy(model, request.adapter);
  const { text, promptTokens, tokens, finish } = await continueText(model, policy, {
    prompt: request.prompt,
    chat: request.chat,
    maxTokens: request.maxTokens,
    temperature: request.temperature,
    topP: request.topP,
    seed: request.seed,
    threads: request.threads,
    signal: call.signal,
    onText: call.onToken,
  }).catch((error: unknown) => {
    if (!(error instanceof InputError) || error.place.file !== undefined) throw error;
    throw new InputError(error.message, { file: request.adapter ?? request.model });
  });
  return {
    text,
    promptTokens,
    tokens: tokens.length,
    finish,
    seconds: (performance.now() - started) / 1000,
  };
}
