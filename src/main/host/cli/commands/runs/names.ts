import { wholeNumber } from '../../../../../shared/config.ts';
import type { RunSummary } from '../../../../../shared/contract.ts';
import { UsageError } from '../../../../../shared/errors.ts';
import { formatBeta, formatElapsed, formatLearningRate } from '../../../../../shared/format.ts';
import { numberText } from '../../option.ts';
import { renderTable } from '../../table.ts';

export const runPositional = { name: 'run', help: 'number of a run, as "runs list" shows it' };

const parser = numberText(wholeNumber(1));

export function runNumber(text: string): number {
  const parsed = parser.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UsageError(`"${text}" is not the number of a run`);
}

export function runTable(runs: readonly RunSummary[]): string {
  return renderTable(
    [
      { title: 'RUN', align: 'right' },
      { title: 'STATUS' },
      { title: 'LOSS' },
      { title: 'LR', align: 'right' },
      { title: 'BETA', align: 'right' },
      { title: 'SEED', align: 'right' },
      { title: 'STEP', align: 'right' },
      { title: 'TIME', align: 'right' },
      { title: 'MODEL' },
      { title: 'DATA' },
      { title: 'COMPARISON', align: 'right' },
    ],
    runs.map((run) => [
      String(run.id),
      run.divergedAt === undefined ? run.status : `not finite at ${run.divergedAt}`,
      run.role === 'stage' ? `${run.loss} first` : run.loss,
      formatLearningRate(run.learningRate),
      run.beta === undefined ? '' : formatBeta(run.beta),
      String(run.seed),
      `${run.step}/${run.totalSteps ?? '?'}`,
      run.seconds === 0 ? '' : formatElapsed(run.seconds),
      run.model,
      run.data,
      run.comparison === undefined ? '' : String(run.comparison),
    ]),
  );
}
