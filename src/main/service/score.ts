import { setImmediate as nextTurn } from 'node:timers/promises';
import { InputError } from '../../shared/errors.ts';
import { toJsonLines, writeAskedFile } from '../formats/files.ts';
import { Scorer } from '../engine/train/scorer.ts';
import { engineOptions } from '../training/reference.ts';
import { loadPolicy } from '../training/model.ts';
import { prepareData } from '../training/prepare.ts';
import type { CallOptions, ScoreRequest, ScoreResult } from './contract.ts';
import { requireWritable, resolveData, resolveModel, type Library } from './library.ts';
import { countsOf, tellNotes } from './notes.ts';

/** Log-probs of every pair's answers, one JSON line each. */
export async function score(
  library: Library,
  request: ScoreRequest,
  call: CallOptions,
): Promise<ScoreResult> {
  const started = performance.now();
  requireWritable(request.out, [request.data, request.model]);
  const { rows } = resolveData(library, request.data);
  const model = await resolveModel(library, request.model, call);
  const policy = request.adapter === undefined ? undefined : loadPolicy(model, request.adapter);
  const data = prepareData(rows, model.tokenizer, {
    maxLength: request.maxLength,
    needsRejected: true,
    file: request.data,
  });
  tellNotes(data, call);
  const engine = engineOptions(request.threads, data.pairs);
  const scorer = new Scorer(model.source, policy?.trainable ?? { kind: 'none' }, engine);
  const lines: object[] = [];
  let tokens = 0;
  let preferred = 0;
  let chosenSum = 0;
  let rejectedSum = 0;
  for (const pair of data.pairs) {
    await nextTurn();
    call.signal?.throwIfAborted();
    const { chosen, rejected, chosenTokens, rejectedTokens } = await scorer.score(pair, policy?.parameters);
    if (!Number.isFinite(chosen + rejected)) {
      throw new InputError('log-probs are not finite: the weights are broken or overflow', {
        file: request.data,
        row: pair.index,
      });
    }
    lines.push({
      index: pair.index,
      chosen: { logp: chosen, tokens: chosenTokens },
      rejected: { logp: rejected, tokens: rejectedTokens },
    });
    tokens += chosenTokens + rejectedTokens;
    preferred += chosen > rejected ? 1 : 0;
    chosenSum += chosen;
    rejectedSum += rejected;
    call.onProgress?.({
      kind: 'progress',
      label: 'scoring',
      done: lines.length,
      total: data.pairs.length,
      unit: 'pairs',
    });
  }
  await scorer.release();
  writeAskedFile(request.out, toJsonLines(lines));
  const pairs = data.pairs.length;
  return {
    out: request.out,
    counts: countsOf(data),
    pairs,
    tokens,
    chosenPreferred: preferred / pairs,
    chosenLogpMean: chosenSum / pairs,
    rejectedLogpMean: rejectedSum / pairs,
    seconds: (performance.now() - started) / 1000,
  };
}
