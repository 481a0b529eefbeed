import { batchSizes, describeTrl, tuned, type TrlSettings } from './trl-settings.ts';

/** What one configuration took for the pairs of the search. */
export interface Trial {
  /** Reference and training. */
  readonly seconds: number;
  readonly peakBytes: number;
}

export interface SearchOptions {
  /** Carries out the search's pairs. */
  readonly run: (settings: TrlSettings) => Promise<Trial>;
  /** Bytes that a trial may take. */
  readonly memory: () => number;
  /** Pairs of the search: a batch that is larger would be the same work as one of that size. */
  readonly pairs: number;
  readonly say: (line: string) => void;
}

/**
 * TRL's fastest configuration: every batch size without gradient checkpointing, in float32; the fastest of them in
 * bfloat16 too. A batch that would, by the growth from the batches before it, not fit into memory is left out, and all
 * larger ones with it.
 */
export async function findBest({ run, memory, pairs, say }: SearchOptions): Promise<TrlSettings> {
  const trials: { readonly settings: TrlSettings; readonly trial: Trial }[] = [];
  const attempt = async (settings: TrlSettings): Promise<void> => {
    const trial = await run(settings);
    trials.push({ settings, trial });
    say(
      `  TRL, ${describeTrl(settings)}: ${trial.seconds.toFixed(1)} s, ${(trial.peakBytes / 1e9).toFixed(1)} GB`,
    );
  };
  const fastest = (): TrlSettings =>
    trials.reduce((best, each) => (each.trial.seconds < best.trial.seconds ? each : best)).settings;
  for (const batch of batchSizes) {
    if (batch > pairs && trials.length > 0) break;
    const settings = tuned(batch, false);
    const expected = expectedPeak(
      trials.map(({ settings, trial }) => [settings.batch!, trial.peakBytes]),
      batch,
    );
    if (expected !== undefined && expected > memory()) {
      say(`  TRL, ${describeTrl(settings)}: left out, it would take about ${(expected / 1e9).toFixed(0)} GB`);
      break;
    }
    await attempt(settings);
  }
  await attempt({ ...fastest(), bf16: true });
  const best = fastest();
  say(`  TRL is fastest with ${describeTrl(best)}`);
  return best;
}

/**
 * Peak bytes of a batch size, on the line through the last two measured ones; after one alone, as if all of it grew.
 * @returns undefined where nothing is known
 */
export function expectedPeak(
  measured: readonly (readonly [batch: number, peakBytes: number])[],
  batch: number,
): number | undefined {
  const last = measured.at(-1);
  const before = measured.at(-2);
  if (!last) return undefined;
  if (!before) return (last[1] / last[0]) * batch;
  const slope = (last[1] - before[1]) / (last[0] - before[0]);
  return last[1] + slope * (batch - last[0]);
}
