import { lossOf, losses, type LossName } from '../../shared/losses.ts';

/** What a chart draws: one metric of one run, or of all seeds of one arm. */
export interface ChartLine {
  /** Names it among the lines of a screen: what was hidden stays hidden. Without commas. */
  readonly key: string;
  /** Beside the loss's name in the legend: `lr 5e-6, seed 1`. */
  readonly label: string;
  /** A loss's name, an arm's or `base`: its colour and mark. */
  readonly loss: string;
  /** Several: seeds of one arm, drawn as their mean and spread. */
  readonly runs: readonly number[];
  readonly metric: string;
  /** Its place among the lines of its loss; absent: by the order of the chart's lines. */
  readonly place?: number;
}

/** A line in words. */
export function lineName({ loss, label }: Pick<ChartLine, 'loss' | 'label'>): string {
  const name = Object.hasOwn(losses, loss) ? losses[loss as LossName].label : loss;
  return label === '' ? name : `${name} ${label}`;
}

/** How a line is told apart from others of its loss. */
export interface LineStyle {
  /** Lengths of strokes and gaps in pixels; empty: unbroken. */
  readonly dash: readonly number[];
  /** Marks are outlined instead of filled. */
  readonly hollow: boolean;
}

const dashes: readonly (readonly number[])[] = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 2], [12, 5]];

/** Styles in the order of the lines. Twelve lines of one loss differ, whatever its parameters; colours are the losses' own. */
export function lineStyles(lines: readonly Pick<ChartLine, 'loss' | 'place'>[]): LineStyle[] {
  const next = new Map<string, number>();
  return lines.map(({ loss: arm, place: given }) => {
    const loss = lossOf(arm);
    const place = given ?? next.get(loss) ?? 0;
    next.set(loss, place + 1);
    return {
      dash: dashes[place % dashes.length]!,
      hollow: Math.floor(place / dashes.length) % 2 === 1,
    };
  });
}
