import { defaults, settings } from '../../../../shared/config.ts';
import {
  formatCount,
  formatElapsed,
  formatNumber,
  formatRate,
  formatPercent,
} from '../../../../shared/format.ts';
import type { RowCounts } from '../../../../shared/contract.ts';
import { defineCommand } from '../command.ts';
import { numberText, required, textValue, withDefault } from '../option.ts';
import { adapter, given, requiredData, requiredModel } from './names.ts';

/** Rows used, and why others were not. */
export function describeCounts(counts: RowCounts): string {
  const parts = [`${formatCount(counts.rows - counts.skipped)} of ${formatCount(counts.rows)} rows`];
  if (counts.skipped > 0)
    parts.push(`${formatCount(counts.skipped)} skipped because the prompt alone fills the length`);
  if (counts.truncated > 0) parts.push(`${formatCount(counts.truncated)} with answers cut to the length`);
  return parts.join(', ');
}

export const score = defineCommand({
  name: 'score',
  summary: 'log-probs of chosen and rejected answers under a model',
  details: [
    'Writes one line per pair: {"index", "chosen": {"logp", "tokens"}, "rejected": {"logp", "tokens"}}. logp is the sum ' +
      'over completion tokens in nats, end token included, prompt left out.',
  ],
  positionals: [],
  options: {
    model: requiredModel,
    data: requiredData,
    adapter,
    maxLength: withDefault({
      flag: 'max-length',
      placeholder: 'N',
      parse: numberText(settings.maxLength),
      absent: defaults.maxLength,
      help: 'tokens of prompt and answer together; longer answers are cut at the end',
      group: 'Input',
    }),
    out: required({
      flag: 'out',
      placeholder: 'F.jsonl',
      parse: textValue,
      help: 'file to write',
      group: 'Output',
    }),
  },
  examples: ['score --model small --data gsm8k --out scores.jsonl'],
  run: async (context, { options }) => {
    const { model, data, maxLength, out } = options;
    const services = await context.services();
    return services.score(
      { model, data, maxLength, out, ...given({ adapter: options.adapter, threads: context.threads }) },
      context.call,
    );
  },
  render: (result) =>
    [
      `scored ${describeCounts(result.counts)}`,
      `chosen above rejected   ${formatPercent(result.chosenPreferred)}`,
      `mean log-prob           chosen ${formatNumber(result.chosenLogpMean)}, rejected ${formatNumber(result.rejectedLogpMean)}`,
      `${formatCount(result.tokens)} completion tokens in ${formatElapsed(result.seconds)} (${formatRate(result.pairs / result.seconds, 'pairs')})`,
      `written to ${result.out}`,
    ].join('\n'),
});
