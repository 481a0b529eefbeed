import type { Result, GridResult, Machine, Side, TrainingResult } from './summary.ts';

/** A table, and what stands around it, ready for a terminal or a document. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const seconds = (value: number): string => `${value < 100 ? value.toFixed(1) : value.toFixed(0)} s`;
const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const times = (ratio: number): string => `${ratio.toFixed(2)}×`;
const rate = (value: number): string => value.toPrecision(3);
const withSettings = ({
  name,
  settings,
}: {
  readonly name: string;
  readonly settings?: string | undefined;
}): string => (settings === undefined ? name : `${name} (${settings})`);

/** The programs one below the other, then how many times as much the first is as each of the others. */
export function tableOf(result: Result): Table {
  return result.kind === 'grid' ? gridTable(result) : trainingTable(result);
}

function trainingTable({ sides }: TrainingResult): Table {
  const [ours, ...others] = sides as [Side, ...Side[]];
  return {
    head: [
      'program',
      'pairs/s in total',
      'pairs/s training',
      'pairs/s reference',
      'setting up',
      'GFLOP/s',
      'of the peak',
      'first step begins / ends after',
      'peak memory',
    ],
    rows: [
      ...sides.map((side) => [
        withSettings(side),
        rate(side.pairs_per_second),
        rate(side.training_pairs_per_second),
        side.reference_pairs_per_second === undefined ? '–' : rate(side.reference_pairs_per_second),
        seconds(side.setup_seconds),
        (side.flops_per_second / 1e9).toFixed(0),
        percent(side.share_of_peak),
        `${seconds(side.first_step_begins_seconds)} / ${seconds(side.first_step_seconds)}`,
        gigabytes(side.peak_rss_bytes),
      ]),
      ...others.map((side) => [
        `${ours.name} against ${side.name}`,
        times(ours.pairs_per_second / side.pairs_per_second),
        times(ours.training_pairs_per_second / side.training_pairs_per_second),
        ours.reference_pairs_per_second === undefined || side.reference_pairs_per_second === undefined
          ? '–'
          : times(ours.reference_pairs_per_second / side.reference_pairs_per_second),
        '',
        '',
        '',
        '',
        times(ours.peak_rss_bytes / side.peak_rss_bytes),
      ]),
    ],
  };
}

function gridTable({ sides }: GridResult): Table {
  const [ours, ...others] = sides;
  return {
    head: ['program', 'wall time', 'peak memory'],
    rows: [
      ...sides.map((side) => [withSettings(side), seconds(side.seconds), gigabytes(side.peak_rss_bytes)]),
      ...others.map((side) => [
        `${ours!.name} against ${side.name}`,
        `${(side.seconds / ours!.seconds).toFixed(2)}× as fast`,
        times(ours!.peak_rss_bytes / side.peak_rss_bytes),
      ]),
    ],
  };
}

/** What was measured, on what, and how equal the work was shown to be. */
export function linesOf(result: Result, machine: Machine): readonly string[] {
  const { tokens, agreement, load, sides } = result;
  const versions = [
    ...new Map(sides.flatMap((side) => Object.entries(side.versions).map((entry) => [entry[0], entry]))),
  ].map(([, [name, version]]) => `${name} ${version}`);
  const mean = (value: number): string => value.toFixed(0);
  const count = (number: number, name: string): string => `${number} ${name}${number === 1 ? '' : 's'}`;
  return [
    `${result.what}, ${result.source}: ${count(result.pairs, 'pair')}, on average ${mean(tokens.prompt)} tokens of prompt, ` +
      `${mean(tokens.chosen)} chosen, ${mean(tokens.rejected)} rejected; ${result.model}, ${count(result.threads, 'thread')}, ` +
      `${count(result.repeats, 'repeat')}${result.low_memory ? ', low-memory mode' : ''}` +
      (result.kind === 'grid' ? `; ${count(result.runs, 'run')} from files to adapters` : '') +
      (result.kind === 'grid' && result.trl_runs !== undefined
        ? `, of which TRL made ${result.trl_runs} (the others count as the mean of those behind the first)`
        : ''),
    `${machine.cpu}, ${count(machine.cores, 'core')}, ${(machine.memory_bytes / 2 ** 30).toFixed(0)} GiB, ${machine.platform}; ` +
      `load ${load.map((value) => value.toFixed(1)).join(' before, ')} after`,
    versions.join(', '),
    ...(agreement
      ? [
          `same token ids; reference log-probs within ${agreement.referenceLogProb.toExponential(1)} nats` +
            (agreement.loss === undefined ? '' : `, losses within ${agreement.loss.toExponential(1)}`),
        ]
      : []),
    ...(result.kind === 'training' ? trainingLines(result) : []),
  ];
}

function trainingLines({ arithmetic, peak_flops_per_second: peak, pairs, sides }: TrainingResult): string[] {
  const share = (part: number): string => `${((100 * part) / arithmetic.total).toFixed(0)} %`;
  const script = sides[0]!.script_share;
  return [
    `needed: ${Number((arithmetic.total / pairs / 1e9).toPrecision(3))} GFLOP a pair (${share(arithmetic.base)} frozen layers, ` +
      `${share(arithmetic.lora)} LoRA, ${share(arithmetic.attention)} attention, ${share(arithmetic.head)} vocabulary); ` +
      `peak of a large product: ${(peak / 1e9).toFixed(0)} GFLOP/s`,
    ...(script === undefined
      ? []
      : [`outside the runtime (packing, telemetry, clipping, AdamW): ${percent(script)} of training`]),
  ];
}

/** Columns lined up with blanks; the first to the left, the others to the right. */
export function textTable({ head, rows }: Table): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function markdownTable({ head, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...rows.map(line)].join(
    '\n',
  );
}

const mark = (name: string, end: boolean): string => `<!-- ${end ? '/' : ''}bench: ${name} -->`;

/**
 * A document with a workload's figures put between its marks, whatever stood there.
 * @throws Error where the document has no such marks
 */
export function withFigures(document: string, result: Result, machine: Machine): string {
  const lines = linesOf(result, machine).map((line) => `- ${line}`);
  return betweenMarks(document, result.workload, `${lines.join('\n')}\n\n${markdownTable(tableOf(result))}`);
}

/** As `withFigures`, of figures that are text already. */
export function betweenMarks(document: string, name: string, figures: string): string {
  const [start, end] = [mark(name, false), mark(name, true)];
  const from = document.indexOf(start);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the document has no ${start} … ${end}`);
  return `${document.slice(0, from + start.length)}\n${figures}\n${document.slice(to)}`;
}
