import { InputError } from '../../shared/errors.ts';
import { toJsonLines, writeAskedFile } from '../formats/files.ts';
import { resolveData } from '../training/data.ts';
import { loadPolicy } from '../training/model.ts';
import { prepareData } from '../training/prepare.ts';
import { isFiniteScore, scoreOnce } from '../training/score.ts';
import { engineOptions } from '../training/sessions.ts';
import type { CallOptions, ScoreRequest, ScoreResult } from '../../shared/contract.ts';
import { requireWritable, resolveModel, type Library } from './library.ts';
import { asBar, countsOf, tellNotes } from '../training/progress.ts';

/** Log-probs of every pair's answers, one JSON line each. */
export async function score(
  library: Library,
  request: ScoreRequest,
  call: CallOptions,
): Promise<ScoreResult> {
  const started = performance.now();
  requireWritable(request.out, [request.data, request.model]);
  const { rows } = await resolveData(library.store, request.data);
  const model = await resolveModel(library, request.model, call);
  const policy = request.adapter === undefined ? undefined : loadPolicy(model, request.adapter);
  const data = prepareData(rows, model.tokenizer, {
    maxLength: request.maxLength,
    needsRejected: true,
    file: request.data,
  });
  tellNotes(data, call);
  const engine = engineOptions(request, data.pairs);
  const scores = await scoreOnce(model, policy, data.pairs, engine, {
    ...asBar(call, 'scoring', 'pairs'),
    onScore(found) {
      if (isFiniteScore(found)) return;
      throw new InputError('log-probs are not finite: the weights are broken or overflow', {
        file: request.data,
        row: found.index,
      });
    },
  });
  const lines = scores.map(({ index, chosen, rejected, chosenTokens, rejectedTokens }) => ({
    index,
    chosen: { logp: chosen, tokens: chosenTokens },
    rejected: { logp: rejected, tokens: rejectedTokens },
  }));
  writeAskedFile(request.out, toJsonLines(lines));
  const total = (of: (each: (typeof scores)[number]) => number): number =>
    scores.reduce((sum, each) => sum + of(each), 0);
  const pairs = scores.length;
  return {
    out: request.out,
    counts: countsOf(data),
    pairs,
    tokens: total(({ chosenTokens, rejectedTokens }) => chosenTokens + rejectedTokens),
    chosenPreferred: total(({ chosen, rejected }) => Number(chosen > rejected)) / pairs,
    chosenLogpMean: total(({ chosen }) => chosen) / pairs,
    rejectedLogpMean: total(({ rejected }) => rejected) / pairs,
    seconds: (performance.now() - started) / 1000,
  };
}
