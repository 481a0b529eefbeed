import { leadingMeasure } from '../../src/shared/collapse.ts';
import { describePairing, type ComparisonResult } from '../../src/shared/comparison.ts';
import { measures } from '../../src/shared/measures.ts';
import { formatBeta, formatCount, formatLearningRate, wrapText } from '../../src/shared/format.ts';
import { selectionLines, type Selection } from '../../src/shared/selection.ts';
import { verdict, verdictLine, type Verdict } from '../../src/shared/verdict.ts';
import { findings, higherRates, robustness } from './findings.ts';
import type { PartName } from './parts.ts';
import {
  collapseRules,
  collapseTable,
  ofBegunSeeds,
  progressOf,
  resultsTable,
  table,
  verdictTable,
  wholeSeeds,
} from './tables.ts';

/** What is on record of a part, and the pictures that were drawn of it. */
export interface PartRecord {
  readonly name: PartName;
  readonly title: string;
  readonly about: string;
  /** Absent where nothing of it has come to an end. */
  readonly result?: ComparisonResult;
  readonly selection?: Selection;
  /** Paths relative to the document. */
  readonly pictures: readonly { readonly path: string; readonly alt: string }[];
}

/** Without marks that Markdown would take for its own. */
const plain = (text: string): string => text.replace(/[\\`*_[\]<>|~]/g, '\\$&');

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const paragraph = (text: string): string => wrapText(text, 120).join('\n');
const list = (lines: readonly string[]): string =>
  lines.map((line) => wrapText(line, 120, '- ', '  ').join('\n')).join('\n');
const folded = (summary: string, content: string): string =>
  `<details>\n<summary>${summary}</summary>\n\n${content}\n\n</details>`;

const claim = `# Is MinorDPO more robust than DPO at higher learning rates?

**The claim.** MinorDPO (Xie et al. 2024, arXiv 2408.09834) is said to be more robust than DPO: where the learning rate is high enough
for DPO to break down, MinorDPO goes on working. It differs from DPO in one place. DPO pushes the rejected answer down without limit;
MinorDPO pushes it down only while the policy likes it more than the reference does.

This is a test of that claim on small models and tasks, by the comparison that Plumbline makes of any losses. It is no
repetition of the paper: neither its models nor its data were used, and no number below is one of the paper's. The text is
written by \`npm run study\` out of the record, whatever came out.`;

const method = `## How it was done

- **Arms.** \`dpo\` is the one that all others are compared with. \`minor-dpo\` is the loss of the claim. \`kappa-dpo\` lies between the two
  (κ = 1 is DPO, κ = 0 MinorDPO): if the gate is what matters, it should fall between them. \`dpop\` is another remedy for DPO's habit of
  lowering the chosen answer too. Formulas: [user guide](user-guide.md#losses).
- **Pairing.** The arms of a seed start from the same adapter and see the same batches, so that at one learning rate and β only
  the loss differs. Seeds are the replicates.
- **Verdicts** are the program's own: a paired t test over the seeds, so that a comparison in which no arm differs claims anything in at
  most 5 % of cases ([how the verdict is made](user-guide.md#how-the-verdict-is-made)). Intervals behind a difference are those
  that decided; intervals behind a mean are 95 % t intervals over the seeds of that cell alone.
- **Higher learning rates** are the upper half of each grid's, the middle one included. An arm **holds** up to the highest rate at
  which, as at all below it, fewer than half of its runs collapsed. Both rules, and the sentences made by them, were fixed before any
  result of these seeds had been looked at; the range of learning rates was chosen with seed 0, which is not among them.
- **Best settings.** Each arm also gets the learning rate and β that it does best with on one half of the held-out prompts; the arms are
  then compared on the other half.`;

const limits = (parts: readonly PartRecord[]): string => `## What this does not show

${list([
  'Anything about the paper’s own models, data or numbers.',
  'Anything about large models. The bundled task has one narrow skill and a model of under a million parameters; what a learning rate means there does not carry over.',
  'That a difference at one learning rate matters in practice: whoever tunes the learning rate looks at “best settings”, whoever cannot tune it at how far an arm holds.',
  'Independence of the sentences: all arms share each seed’s start and batches, and the measures of one run go together.',
  ...(parts.some(({ name, result }) => name === 'smollm2' && result)
    ? [
        'Much about SmolLM2: a few steps on a few dozen pairs with three seeds find large differences only. The verdicts say what they could have found.',
      ]
    : []),
  'What the range of learning rates hides: it was chosen with a seed of its own, from calm to breaking, so that there is something to see.',
])}`;

const rerun = `## Run it again

\`\`\`sh
npm run -s study -- --dry-run      # what it would take
npm run -s study                   # train what is missing and write this document
npm run -s study -- --write-only   # write this document from what is on record
\`\`\`

Stopped or killed anywhere, it goes on where it was, to the same numbers. On another processor last bits may differ, and with them
single answers. Every run, with its log, is in the study's own home folder (\`~/.plumbline/study\`), with full reports beside it; the
program opens it with \`--home\`. The [user guide](user-guide.md#the-study) has the options.`;

/** The study as a text: claim, design, results of each part as they came out, and what they do not show. */
export function studyDocument(parts: readonly PartRecord[]): string {
  const blocks = [
    claim,
    '## In short',
    ...parts.flatMap((part) => [`### ${part.title}`, shortOf(part)]),
    method,
    ...parts.flatMap(sectionOf),
    limits(parts),
    rerun,
  ];
  return `${blocks.join('\n\n')}\n`;
}

const verdictsOf = (result: ComparisonResult): Verdict[] => verdict(result);
const minor = ({ arms }: ComparisonResult): string =>
  arms.includes('minor-dpo') ? 'minor-dpo' : arms.at(-1)!;

/** Why less is told than the grid would; undefined where it is whole. */
function standingOf(result: ComparisonResult): string | undefined {
  const { done, total } = progressOf(result);
  if (done === total) return undefined;
  const whole = wholeSeeds(result);
  return `**Not finished: ${done} of ${total} runs are on record** (${whole.length} of ${result.seeds.length} seeds in full). What follows is told of these alone.`;
}

function shortOf({ result, selection }: PartRecord): string {
  if (!result) return 'Not run yet: nothing of it is on record.';
  const standing = standingOf(result);
  return [
    ...(standing === undefined ? [] : [paragraph(standing)]),
    list([
      ...findings(result, verdictsOf(result), minor(result)),
      ...(selection ? selectionLines(selection).map(plain) : []),
    ]),
  ].join('\n\n');
}

function sectionOf(part: PartRecord): string[] {
  const { title, about, result, pictures } = part;
  if (!result) return [`## ${title}`, `${paragraph(about)}\n\nNot run yet: nothing of it is on record.`];
  const verdicts = verdictsOf(result);
  const all = robustness(result);
  const betas = (result.betas?.length ?? 0) > 1 ? result.betas! : [undefined];
  const judged = [...new Set(verdicts.map(({ measure }) => measure))];
  const measureOf = (name: Verdict['measure']) => measures.find((each) => each.name === name)!;
  const label = (name: Verdict['measure']): string => measureOf(name).label;
  // Points without a run yet have nothing to say.
  const told = verdicts.filter(
    ({ differences, outcome }) => differences.length > 0 || outcome === 'diverged',
  );
  const lines = (wanted: (each: Verdict) => boolean): string =>
    list(told.filter(wanted).map((each) => plain(verdictLine(each))));
  const own = minor(result);
  return [
    `## ${title}`,
    paragraph(`${about} ${describePairing(ofBegunSeeds(result))}`),
    design(result),
    '### What counts as collapsed',
    paragraph(
      `A run has collapsed where, at its end, any of these holds: ${collapseRules(result).join('; ')}.`,
    ),
    collapseTable(result, all),
    '### Over the grid',
    ...pictures.map(({ path, alt }) => `![${plain(alt)}](${path})`),
    ...betas.flatMap((beta) => [
      ...(beta === undefined ? [] : [`#### β ${formatBeta(beta)}`]),
      resultsTable(result, all, beta),
    ]),
    '### Verdicts',
    ...judged.flatMap((name) => [
      `#### ${capital(label(name))}, difference in ${measureOf(name).unit === 'share' ? 'points' : 'nats'}`,
      verdictTable(result, verdicts, name),
    ]),
    paragraph(
      `In the program's words, ${own} against ${result.arms[0]!} in ${leadingMeasure(result).label}:`,
    ),
    lines(({ primary, arm }) => primary && arm === own),
    ...(result.arms.length > 2
      ? [
          folded(
            'The same of the other arms',
            lines(({ primary, arm }) => primary && arm !== own),
          ),
        ]
      : []),
  ];
}

/** The conditions that all runs of a part share. */
function design(result: ComparisonResult): string {
  const { model, data, base, config, arms, learningRates, betas, seeds, versions } = result;
  const said = (name: string): string => String(config[name]);
  const length = config['steps'] === undefined ? `${said('epochs')} epoch` : `${said('steps')} steps`;
  const higher = higherRates(result).map(formatLearningRate).join(', ');
  const rows: (readonly [string, string])[] = [
    ['model', `${formatCount(model.parameters)} parameters, hash \`${model.hash.slice(0, 12)}…\``],
    ['pairs', `${data.trainPairs} for training, ${data.evalPairs} held out`],
    ...(base.task
      ? [['task', `${base.task.questions} questions, greedy answers, exact match`] as const]
      : []),
    ['arms', arms.join(', ')],
    ['learning rates', `${learningRates.map(formatLearningRate).join(', ')} (the higher ones: ${higher})`],
    ['β', betas?.map(formatBeta).join(', ') ?? said('beta')],
    ['seeds', seeds.join(', ')],
    ['runs', `${progressOf(result).done} of ${progressOf(result).total}`],
    [
      'length',
      `${length}, ${said('batchSize')} pairs a step, ${said('scheduler')} schedule, warm-up ${said('warmup')}`,
    ],
    ['adapter', `LoRA of rank ${said('lora rank')}, alpha ${said('lora alpha')}, ${said('lora targets')}`],
    [
      'versions',
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
  ];
  return table(['', ''], rows);
}
