import type { CallOptions, GenerateRequest, GenerateResult } from '../../shared/contract.ts';
import { InputError } from '../../shared/errors.ts';
import type { StartPlace } from '../training/job.ts';
import { openBase, openFresh } from '../training/model.ts';
import { Playground, type PolicyPlace } from '../training/playground.ts';
import { findModel, type Library } from './library.ts';
import { basePlace, explainCheckpoint, policyOfRun, type RunPolicy } from './policies.ts';

/** Continues one prompt in this process, telling each piece of text as soon as its characters are complete. */
export async function generate(
  library: Library,
  request: GenerateRequest,
  call: CallOptions & { readonly onToken?: ((text: string) => void) | undefined },
): Promise<GenerateResult> {
  const started = performance.now();
  const { start, place, name, ofRun } = await whatGenerates(library, request, call);
  const model = start.kind === 'fresh' ? openFresh(start.configFile) : openBase(start);
  if (request.chat && model.tokenizer.chatTemplate === undefined) {
    throw new InputError('the model has no chat template; leave out --chat', { file: name });
  }
  const { onToken } = call;
  const playground = new Playground(model, { threads: request.threads, weights: request.weights });
  try {
    const { text, promptTokens, tokens, finish } = await playground.generate(place, request, {
      signal: call.signal,
      onPiece: onToken && ((piece) => void (piece.text !== '' && onToken(piece.text))),
    });
    const seconds = (performance.now() - started) / 1000;
    return { text, promptTokens, tokens: tokens.length, finish, seconds };
  } catch (error) {
    if (ofRun) explainCheckpoint(library, ofRun, error);
    if (!(error instanceof InputError) || error.place.file !== undefined) throw error;
    throw new InputError(error.message, { file: place.kind === 'adapter' ? place.folder : name });
  } finally {
    await playground.release();
  }
}

async function whatGenerates(
  library: Library,
  request: GenerateRequest,
  call: CallOptions,
): Promise<{
  readonly start: StartPlace;
  readonly place: PolicyPlace;
  /** For messages. */
  readonly name: string;
  readonly ofRun?: RunPolicy;
}> {
  if ('run' in request) {
    const ofRun = await policyOfRun(library, request, call);
    return { start: ofRun.start, place: ofRun.place, name: `run ${ofRun.run}`, ofRun };
  }
  const { model, adapter } = request;
  return {
    start: basePlace(await findModel(library, model, call)),
    place: adapter === undefined ? { kind: 'base' } : { kind: 'adapter', folder: adapter },
    name: model,
  };
}
