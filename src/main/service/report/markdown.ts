import {
  describePairing,
  describePoint,
  describeStart,
  gridPoints,
  pairingProofs,
} from '../../../shared/comparison.ts';
import { measures } from '../../../shared/measures.ts';
import { knownBefore } from '../../../shared/evaluation-parts.ts';
import type { ComparisonResult } from '../../../shared/comparison.ts';
import type { Measure } from '../../../shared/measures.ts';
import { itemComparisons, itemLine } from '../../../shared/comparison-items.ts';
import { formatSummaries, summariseCells, summariseSftFirst } from '../../../shared/comparison-table.ts';
import { collapses } from '../../../shared/collapse.ts';
import { divergencePoints } from '../../../shared/divergence-point.ts';
import { formatBeta, formatLearningRate } from '../../../shared/format.ts';
import { reportNumbers } from '../../../shared/report/numbers.ts';
import { errorRateWords } from '../../../shared/error-rates.ts';
import { select, selectionLines } from '../../../shared/selection.ts';
import { verdict, verdictLine } from '../../../shared/verdict.ts';
import { collapseBlocks, crossLossBlocks, heatMapBlocks, partingBlocks } from './markdown-lab.ts';
import { code, list, longestTicks, plain, table } from './markdown-text.ts';
import { sampleColumns } from './samples.ts';
import { question } from './question.ts';
import { measureGroups } from './tables.ts';

/** A table for each group of measures that there are any of, under its heading and with its note. */
function resultsTables(result: ComparisonResult): string[] {
  return measureGroups.flatMap(({ group, heading, note }) => {
    const found = resultsTable(result, group);
    if (found === undefined) return [];
    return [...(heading === '' ? [] : [`### ${heading}`]), plain(note(result)), found];
  });
}

function resultsTable(result: ComparisonResult, group: Measure['group']): string | undefined {
  const stage = summariseSftFirst(result);
  const cells = [...(stage ? [stage] : []), ...summariseCells(result)];
  const several = (result.betas?.length ?? 0) > 1;
  const columns = measures
    .filter((measure) => measure.group === group)
    .map((measure) => {
      const value = measure.of(result.base);
      const base = value === undefined ? { seeds: 0 } : { seeds: 1, mean: value };
      return { measure, summaries: [base, ...cells.map((cell) => cell.measures[measure.name])] };
    })
    .filter(({ summaries }) => summaries.some(({ seeds }) => seeds > 0))
    .map(({ measure: { label, unit }, summaries }) => ({
      heading: unit === 'number' ? label : `${label}, ${unit === 'share' ? '%' : unit}`,
      texts: formatSummaries(summaries, unit).map(({ value, spread }) =>
        spread === '' ? value : `${value} ± ${spread}`,
      ),
    }));
  if (columns.length === 0) return undefined;
  const rows = [undefined, ...cells].map((cell, place) => [
    cell ? formatLearningRate(cell.learningRate) : '',
    ...(several ? [cell?.beta === undefined ? '' : formatBeta(cell.beta)] : []),
    !cell ? 'base' : cell === stage ? 'sft first' : plain(cell.loss),
    cell ? `${cell.finished}/${cell.runs.length}` : '',
    ...columns.map(({ texts }) => texts[place]!),
  ]);
  return table(
    ['lr', ...(several ? ['β'] : []), 'arm', 'seeds', ...columns.map(({ heading }) => heading)],
    rows,
  );
}

function setup(result: ComparisonResult): string {
  const { model, data, config, versions } = result;
  const known = knownBefore(result);
  const rows: (readonly [string, string])[] = [
    ['model', `${plain(model.name)}, ${model.parameters.toLocaleString('en')} parameters`],
    ['model hash', code(model.hash)],
    ['data', plain(data.name)],
    ['data hash', code(data.hash)],
    ['pairs', `${data.trainPairs} for training, ${data.evalPairs} held out, ${data.skipped} rows skipped`],
    ['arms', plain(result.arms.join(', '))],
    ['learning rates', result.learningRates.map(formatLearningRate).join(', ')],
    ...(result.betas ? [['β', result.betas.map(formatBeta).join(', ')] as const] : []),
    ['seeds', result.seeds.join(', ')],
    ['differs', plain(result.onlyDiffers.join(', '))],
    ...Object.entries(config).map(([name, value]) => [plain(name), plain(String(value))] as const),
    ...Object.entries(versions).map(([name, version]) => [plain(name), plain(version)] as const),
    ...(known === undefined ? [] : [['evaluations known before', plain(known)] as const]),
    ['made', result.createdAt],
  ];
  return table(['', ''], rows);
}

/** Greedy answers side by side; undefined where none were kept. */
function samples(result: ComparisonResult): string | undefined {
  const parts = gridPoints(result).flatMap((point) => {
    const found = sampleColumns(result, point);
    if (!found) return [];
    const rows = found.questions.map(({ question: asked, expected }) => [
      plain(asked),
      plain(expected),
      ...found.columns.map(({ samples: answers }) => {
        const answer = answers.find((candidate) => candidate.question === asked);
        return answer ? `${answer.correct ? '✓' : '✗'} ${plain(answer.output)}` : '–';
      }),
    ]);
    const headings = ['question', 'answer', ...found.columns.map(({ loss }) => plain(loss))];
    return [`### ${describePoint(point)}, seed ${found.seed}\n\n${table(headings, rows)}`];
  });
  return parts.length === 0 ? undefined : parts.join('\n\n');
}

/** A comparison as one Markdown text: question, verdicts, tables, what collapsed, where arms part, samples, setup, command, and every number under its id. */
export function reportMarkdown(result: ComparisonResult): string {
  const verdicts = verdict(result);
  const selection = select(result);
  const items = itemComparisons(result);
  const collapsed = collapses(result);
  const numbers = reportNumbers(result, { verdicts, itemComparisons: items, selection });
  const start = describeStart(result);
  const answers = samples(result);
  const lines = (primary: boolean): string[] =>
    verdicts.filter((each) => each.primary === primary).map((each) => plain(verdictLine(each)));
  const told = items.filter(({ seeds }) => seeds.length > 0);
  const label = (name: string): string => measures.find((each) => each.name === name)!.label;
  const fence = '`'.repeat(Math.max(3, longestTicks(result.command) + 1));
  const blocks: (string | false | undefined)[] = [
    `# ${plain(question(result))}`,
    `${plain(result.model.name)} on ${plain(result.data.name)}, ${result.data.trainPairs} training pairs; judged on ${result.data.evalPairs} held-out pairs${result.base.task ? ` and ${result.base.task.questions} questions` : ''}.`,
    start !== undefined && plain(start),
    list([
      ...lines(true),
      ...(selection ? selectionLines(selection).map(plain) : []),
      ...collapsed.map(({ words }) => plain(words)),
    ]),
    lines(false).length > 0 && `On the other measures:\n\n${list(lines(false))}`,
    verdicts.length > 0 && plain(errorRateWords(result)),
    '## Results',
    ...heatMapBlocks(result),
    ...collapseBlocks(collapsed),
    ...resultsTables(result),
    told.length > 0 && '### Question by question',
    told.length > 0 && list(told.map((each) => plain(`${label(each.measure)}, ${itemLine(each)}`))),
    ...crossLossBlocks(result),
    ...partingBlocks(result, divergencePoints(result, verdicts)),
    answers !== undefined && '## Answers side by side',
    answers,
    '## Setup',
    plain(describePairing(result)),
    setup(result),
    table(
      ['seed', 'batch order', 'start weights'],
      pairingProofs(result).map(({ seed, orderHashes, adapterStartHashes }) => [
        String(seed),
        orderHashes.map(code).join(' '),
        adapterStartHashes.map(code).join(' '),
      ]),
    ),
    '## Run it again',
    `${fence}sh\n${result.command}\n${fence}`,
    '## Numbers',
    'Every number with all its digits. `plumbline trace ID` shows what it is made of.',
    table(
      ['id', 'value', 'unit'],
      numbers.map(({ id, value, unit }) => [code(id.replaceAll('|', '\\|')), String(value), unit]),
    ),
  ];
  return `${blocks.filter((block) => block !== false && block !== undefined && block !== '').join('\n\n')}\n`;
}
