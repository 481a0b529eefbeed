import type { RunEvaluation } from '../../../../../shared/contract.ts';
import { formatNumber, formatPercent } from '../../../../../shared/format.ts';
import { repetitionLimit } from '../../../../../shared/repetition.ts';
import { defineCommand } from '../../command.ts';
import { renderTable } from '../../table.ts';
import { runNumber, runPositional } from './names.ts';

function evaluationTable(evaluations: readonly RunEvaluation[]): string {
  return renderTable(
    ['STEP', 'PREFERENCE', 'C', 'R', 'MARGIN', 'KL/TOKEN', 'TASK'].map((title) => ({
      title,
      align: 'right',
    })),
    evaluations.map(({ step, evaluation: { task, ...evaluation } }) => [
      String(step),
      evaluation.preferenceAccuracy === undefined ? '' : formatPercent(evaluation.preferenceAccuracy),
      formatNumber(evaluation.meanChosenLogRatio),
      formatNumber(evaluation.meanRejectedLogRatio),
      formatNumber(evaluation.meanMargin),
      evaluation.klToReference === undefined ? '' : formatNumber(evaluation.klToReference.perToken),
      task === undefined ? '' : formatPercent(task.correct / task.questions),
    ]),
  );
}

const indented = (text: string): string => text.replaceAll('\n', '\n    ');

/** Prompt by prompt, what the run answered as it went. */
function sampleLines(evaluations: readonly RunEvaluation[]): string[] {
  const prompts = evaluations.find(({ samples }) => samples)?.samples ?? [];
  return prompts.flatMap(({ prompt }, place) => [
    '',
    `sample ${place + 1}: ${indented(prompt.trim())}`,
    ...evaluations.flatMap(({ step, samples }) => {
      const sample = samples?.[place];
      if (!sample) return [];
      const repeats =
        sample.repetition > repetitionLimit ? `, ${formatPercent(sample.repetition)} repeated` : '';
      return [`  step ${step} (${sample.tokens} tokens${repeats})`, `    ${indented(sample.output)}`];
    }),
  ]);
}

export const runEvaluations = defineCommand({
  name: 'runs evaluations',
  summary: 'show held-out measures and samples of a run as it went',
  details: [
    'Of a run that was started with --eval-every: before its first step, at every evaluation and at its end. Also of one ' +
      'that is still at work. Of other runs there is the evaluation at the end.',
  ],
  positionals: [runPositional],
  options: {},
  examples: ['runs evaluations 3', 'runs evaluations 3 --json'],
  run: async (context, { positionals }) =>
    (await context.services()).runEvaluations({ run: runNumber(positionals[0]!) }),
  render: ({ evaluations }) =>
    evaluations.length === 0
      ? 'not evaluated yet'
      : [evaluationTable(evaluations), ...sampleLines(evaluations)].join('\n'),
});
