import { Generator } from '../engine/generate/generator.ts';
import { tokenizeChat } from '../engine/tokens/chat-template.ts';
import { loadPolicy } from '../training/model.ts';
import { InputError } from '../../shared/errors.ts';
import type { CallOptions, GenerateRequest, GenerateResult } from './contract.ts';
import { resolveModel, type Library } from './library.ts';
import { endTokens } from './task.ts';

/** Continues one prompt, telling each piece of text as soon as its characters are complete. */
export async function generate(
  library: Library,
  request: GenerateRequest,
  call: CallOptions & { readonly onToken?: (text: string) => void },
): Promise<GenerateResult> {
  const started = performance.now();
  const model = await resolveModel(library, request.model, call);
  const { tokenizer, source } = model;
  if (request.chat && tokenizer.chatTemplate === undefined) {
    throw new InputError('the model has no chat template; leave out --chat', { file: request.model });
  }
  const policy = request.adapter === undefined ? undefined : loadPolicy(model, request.adapter);
  const ids = request.chat
    ? tokenizeChat(tokenizer, [{ role: 'user', content: request.prompt }], { addGenerationPrompt: true })
    : tokenizer.encode(request.prompt);
  const prompt = Int32Array.from(ids);
  const generator = await Generator.create(source, policy?.trainable ?? { kind: 'none' }, {
    maxLength: prompt.length + request.maxTokens,
    ...(request.threads === undefined ? {} : { threads: request.threads }),
  });
  const stream = tokenizer.decodeStream({ skipSpecialTokens: true });
  let text = '';
  const tell = (piece: string): void => {
    if (piece === '') return;
    text += piece;
    call.onToken?.(piece);
  };
  const [generated] = await generator
    .generate([prompt], {
      ...(policy ? { parameters: policy.parameters } : {}),
      maxTokens: request.maxTokens,
      temperature: request.temperature,
      topP: request.topP,
      seed: request.seed,
      eosTokenIds: endTokens(model),
      ...(call.signal ? { signal: call.signal } : {}),
      onToken: (_sequence, token) => tell(stream.push(token)),
    })
    .catch((error: unknown) => {
      if (!(error instanceof InputError) || error.place.file !== undefined) throw error;
      throw new InputError(error.message, { file: request.adapter ?? request.model });
    });
  tell(stream.end());
  await generator.release();
  return {
    text,
    promptTokens: prompt.length,
    tokens: generated!.tokens.length,
    finish: generated!.finish,
    seconds: (performance.now() - started) / 1000,
  };
}
