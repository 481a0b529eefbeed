import type { ArmCollapse } from '../../../shared/collapse.ts';
import { describePoint, type ComparisonResult } from '../../../shared/comparison.ts';
import { formatSummaries } from '../../../shared/comparison-table.ts';
import { crossLosses } from '../../../shared/cross-loss.ts';
import { answersAtParting, type DivergencePoint } from '../../../shared/divergence-point.ts';
import { formatBeta, formatLearningRate } from '../../../shared/format.ts';
import { heatMaps } from '../../../shared/heat-map.ts';
import { sinceText } from './breaks.ts';
import { plain, table } from './markdown-text.ts';

const betaText = (beta: number | undefined): string => (beta === undefined ? '–' : formatBeta(beta));

/** The leading measure of every loss over learning rates and β, in one table; where runs collapsed it says in how many. */
export function heatMapBlocks(result: ComparisonResult): string[] {
  const { measure, learningRates, maps, range } = heatMaps(result);
  if (!range || (learningRates.length < 2 && (result.betas?.length ?? 0) < 2)) return [];
  const rows = maps.flatMap(({ arm, rows }) =>
    rows.map(({ beta, cells }) => [
      plain(arm),
      betaText(beta),
      ...cells.map(({ value, collapse }) =>
        collapse ? `${value} (collapsed ${collapse.runs.length}/${collapse.of})` : value,
      ),
    ]),
  );
  return [
    `### Over the grid: ${measure.label}${measure.unit === 'share' ? ', %' : ''}`,
    'Mean over finished seeds. What collapsed says in how many of its seeds.',
    table(['arm', 'β', ...learningRates.map((rate) => `lr ${formatLearningRate(rate)}`)], rows),
  ];
}

/** Run by run, which rules were broken and since which step. */
export function collapseBlocks(collapsed: readonly ArmCollapse[]): string[] {
  if (collapsed.length === 0) return [];
  const rows = collapsed.flatMap(({ arm, learningRate, beta, runs }) =>
    runs.flatMap(({ seed, collapses }) =>
      collapses.map((each) => [
        ...[plain(arm), formatLearningRate(learningRate), betaText(beta), String(seed)],
        ...[plain(each.words), sinceText(each)],
      ]),
    ),
  );
  return [
    '### What collapsed, and since when',
    table(['arm', 'lr', 'β', 'seed', 'rule', 'since step'], rows),
  ];
}

/** Every arm's final policy under every arm's loss, a table per grid point. */
export function crossLossBlocks(result: ComparisonResult): string[] {
  const matrices = crossLosses(result);
  if (matrices.length === 0) return [];
  const tables = matrices.flatMap(({ point, columns, rows }) => {
    const texts = columns.map((_, column) =>
      formatSummaries(
        rows.map(({ values }) => values[column]!),
        'nats',
      ),
    );
    const cells = rows.map(({ arm }, row) => [
      plain(arm),
      ...texts.map((column) => {
        const { value, spread } = column[row]!;
        return spread === '' ? value : `${value} ± ${spread}`;
      }),
    ]);
    return [`${describePoint(point)}:`, table(['policy', ...columns.map(plain)], cells)];
  });
  return [
    '### Every policy under every loss',
    'Rows are final policies, columns are losses on the held-out pairs; mean over finished seeds ± standard deviation. Compare within a column, never along a row.',
    ...tables,
  ];
}

/** Where arms part beyond seed noise, each with both arms' answers at that step. */
export function partingBlocks(result: ComparisonResult, partings: readonly DivergencePoint[]): string[] {
  if (partings.length === 0) return [];
  return [
    '## Where arms part',
    'The first evaluation at which the paired difference over seeds has a 95 % t interval without 0, and from which on it stays so to the end. Each step is looked at by itself, so where the verdict claims no difference they only seem to part.',
    ...partings.flatMap((parting) => {
      const answers = answersAtParting(result, parting);
      const said = plain(`${describePoint(parting)}: ${parting.words}.`);
      if (!answers) return [said];
      const rows = answers.prompts.map(({ prompt, outputs }) => [plain(prompt), ...outputs.map(plain)]);
      return [
        `${said} Their answers at that step, seed ${answers.seed}:`,
        table(['prompt', plain(parting.against), plain(parting.arm)], rows),
      ];
    }),
  ];
}
