import { collapses, leadingMeasure, type ArmCollapse } from './collapse.ts';
import type { ComparisonResult } from './comparison.ts';
import type { Measure } from './measures.ts';
import { formatSummaries, summariseCells } from './comparison-table.ts';

export interface HeatCell {
  readonly learningRate: number;
  /** Mean of the leading measure over finished seeds as text; `–` where none has it. */
  readonly value: string;
  readonly spread: string;
  /** Place of the mean between the lowest and the highest of all maps, from 0 to 1; absent without a mean. */
  readonly shade?: number;
  readonly collapse?: ArmCollapse;
}

/** One loss over learning rates (columns) and β (rows). */
export interface HeatMap {
  readonly arm: string;
  /** β is absent where the comparison has not several, or the loss ignores it. */
  readonly rows: readonly { readonly beta?: number; readonly cells: readonly HeatCell[] }[];
}

/** How robust each loss is over the grid, by the measure that leads; one scale for all maps. */
export interface HeatMaps {
  readonly measure: Measure;
  readonly learningRates: readonly number[];
  readonly maps: readonly HeatMap[];
  /** Lowest and highest mean; absent where nothing was measured. */
  readonly range?: readonly [low: number, high: number];
}

export function heatMaps(result: ComparisonResult): HeatMaps {
  const measure = leadingMeasure(result);
  const cells = summariseCells(result);
  const means = cells.flatMap((cell) => cell.measures[measure.name].mean ?? []);
  const [low, high] = [Math.min(...means), Math.max(...means)];
  const texts = formatSummaries(
    cells.map((cell) => cell.measures[measure.name]),
    measure.unit,
  );
  const broken = collapses(result);
  const cellOf = (place: number): HeatCell => {
    const { loss, learningRate, beta, measures } = cells[place]!;
    const { mean } = measures[measure.name];
    const collapse = broken.find(
      (each) => each.arm === loss && each.learningRate === learningRate && each.beta === beta,
    );
    return {
      learningRate,
      ...texts[place]!,
      // Where all are equal none is better.
      ...(mean === undefined ? {} : { shade: high > low ? (mean - low) / (high - low) : 0.5 }),
      ...(collapse ? { collapse } : {}),
    };
  };
  const maps = result.arms.map((arm): HeatMap => {
    const own = cells.flatMap((cell, place) => (cell.loss === arm ? [{ cell, place }] : []));
    const betas = [...new Set(own.map(({ cell }) => cell.beta))];
    return {
      arm,
      rows: betas.map((beta) => ({
        ...(beta === undefined ? {} : { beta }),
        cells: own.filter(({ cell }) => cell.beta === beta).map(({ place }) => cellOf(place)),
      })),
    };
  });
  return {
    measure,
    learningRates: result.learningRates,
    maps,
    ...(means.length > 0 ? { range: [low, high] as const } : {}),
  };
}
