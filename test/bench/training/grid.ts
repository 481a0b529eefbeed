import { existsSync, readdirSync, rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { runtimeVersion } from '../../../src/main/engine/session/session.ts';
import {
  bfloat16Limits,
  checkReference,
  checkTokens,
  float32Limits,
  median,
  settings,
} from './half-report.ts';
import type { Agreement } from './half-report.ts';
import { runEngine, runTrlGrid, type GridRun } from './halves.ts';
import { runPlumbline, trainingOptions } from './first-step.ts';
import { bestFor, meanTokens, names, prepareInput, type Say } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { worstAgreement, type GridResult, type GridSide } from './summary.ts';
import { describeTrl, installed, type TrlSettings } from './trl-settings.ts';
import { makeWork, writeRows, type Material } from './work.ts';
import { gridAxes, type Workload } from './workloads.ts';

/** Every run of the grid, with both programs' names of its loss. */
export function gridRuns(): readonly (GridRun & { readonly ours: string })[] {
  const { losses, learningRates, seeds } = gridAxes;
  return losses.flatMap(([ours, loss]) =>
    learningRates.flatMap((learningRate) => seeds.map((seed) => ({ ours, loss, learningRate, seed }))),
  );
}

interface Turn {
  readonly seconds: number;
  readonly peakBytes: number;
}

/**
 * Measures a grid from files to adapters: `plumbline compare`, whose runs share what they can, against one process of TRL a
 * run. TRL keeps its cache from run to run. Nothing is evaluated, but that `compare` insists on held-out pairs: it is given
 * one, and evaluates every run on it in its own time.
 */
export async function measureGrid(
  workload: Workload,
  material: Material,
  options: BenchOptions,
  scratch: string,
  say: Say,
): Promise<GridResult> {
  const { python, repeats } = options;
  const heldOut = 1;
  const work = makeWork(workload, material, options.pairs ?? workload.pairs, heldOut);
  const input = prepareInput(workload, work, material, options, scratch);
  const held = join(input.scratch, 'held-out.jsonl');
  writeRows(work.rows.slice(-heldOut), held);
  const loadBefore = loadavg()[0]!;
  const best = python === undefined ? undefined : await bestFor(python, options, work, input, say);
  const runs = gridRuns();
  const trlRuns = Math.min(options.trlRuns ?? runs.length, runs.length);
  const updates = Math.ceil(work.pairs.length / settings.update);
  const agreements: Agreement[] = [];
  let trlVersions: GridSide['versions'] = {};
  const reference = python === undefined ? undefined : await runEngine(input, { referenceOnly: true });

  const compare = async (repeat: number): Promise<Turn> => {
    const home = join(input.scratch, `grid-home-${repeat}`);
    const out = join(home, 'adapters');
    const list = (values: Iterable<unknown>): string => [...values].join(',');
    const given = [
      ...[
        'compare',
        ...trainingOptions(input, options),
        '--epochs',
        '1',
        '--kl-prompts',
        '0',
        '--eval-data',
        held,
      ],
      ...['--arms', list(gridAxes.losses.map(([ours]) => ours)), '--lr', list(gridAxes.learningRates)],
      ...['--seeds', list(gridAxes.seeds), '--out', out],
    ];
    const { seconds, peakBytes } = await runPlumbline(given, home);
    requireAdapters(names.ours, out, runs.length);
    rmSync(home, { recursive: true });
    return { seconds, peakBytes };
  };
  const trl = async (name: string, trlSettings: TrlSettings): Promise<Turn> => {
    const folder = join(input.scratch, 'trl-grid');
    const longest = Math.max(
      ...work.pairs.map(
        ({ prompt, chosen, rejected }) => prompt.length + Math.max(chosen.length, rejected.length),
      ),
    );
    const turns: Turn[] = [];
    for (const [place, run] of runs.slice(0, trlRuns).entries()) {
      say(`  ${name}, run ${place + 1} of ${runs.length} …`);
      const done = await runTrlGrid(
        python!,
        { ...input, longest },
        trlSettings,
        run,
        join(folder, `adapter-${place}`),
      );
      const { report } = done;
      trlVersions = report.versions;
      checkTokens(work.pairs, 'TRL', report.pairs_seen);
      const limits = trlSettings.bf16 ? bfloat16Limits : float32Limits;
      agreements.push(checkReference(work.pairs, reference!, report, limits));
      if (report.updates !== updates) throw new Error(`TRL took ${report.updates} updates, not ${updates}`);
      turns.push({
        seconds: done.seconds,
        peakBytes: Math.max(done.peakBytes, report.peak_rss_bytes),
      });
    }
    requireAdapters('TRL', folder, trlRuns);
    rmSync(folder, { recursive: true });
    return {
      seconds: secondsOfAll(
        turns.map(({ seconds }) => seconds),
        runs.length,
      ),
      peakBytes: Math.max(...turns.map(({ peakBytes }) => peakBytes)),
    };
  };

  const turns = { ours: [] as Turn[], installed: [] as Turn[], best: [] as Turn[] };
  for (let repeat = 1; repeat <= repeats; repeat++) {
    say(`  ${names.ours}, ${repeat} of ${repeats} …`);
    turns.ours.push(await compare(repeat));
    if (!best) continue;
    turns.installed.push(await trl(names.installed, installed));
    turns.best.push(await trl(names.best, best));
  }
  const side = (
    name: string,
    done: readonly Turn[],
    versions: GridSide['versions'],
    given?: string,
  ): GridSide => ({
    name,
    settings: given,
    seconds: median(done.map(({ seconds }) => seconds)),
    peak_rss_bytes: Math.max(...done.map(({ peakBytes }) => peakBytes)),
    versions,
  });
  const ourVersions = { node: process.versions.node, 'onnxruntime-node': runtimeVersion };
  const agreement = worstAgreement(agreements);
  return {
    kind: 'grid',
    workload: workload.name,
    what: workload.what,
    model: material.model,
    source: material.source,
    pairs: work.pairs.length,
    tokens: meanTokens(work),
    threads: options.threads,
    repeats,
    low_memory: options.lowMemory,
    load: [loadBefore, loadavg()[0]!],
    ...(agreement ? { agreement } : {}),
    runs: runs.length,
    ...(best && trlRuns < runs.length ? { trl_runs: trlRuns } : {}),
    sides: [
      side(names.ours, turns.ours, ourVersions),
      ...(best
        ? [
            side(names.installed, turns.installed, trlVersions),
            side(names.best, turns.best, trlVersions, describeTrl(best)),
          ]
        : []),
    ],
  };
}

/**
 * Seconds of a number of equal runs of which the first were made: those that were not take as long as those made behind the first,
 * which fills caches.
 */
export function secondsOfAll(made: readonly number[], runs: number): number {
  const [first = 0, ...others] = made;
  const sum = others.reduce((total, each) => total + each, 0);
  return first + (others.length === 0 ? 0 : (sum / others.length) * (runs - 1));
}

/** @throws Error where a program has not written an adapter for every run */
function requireAdapters(name: string, folder: string, runs: number): void {
  const written = existsSync(folder)
    ? readdirSync(folder, { recursive: true }).filter((path) =>
        String(path).endsWith('adapter_model.safetensors'),
      )
    : [];
  if (written.length !== runs) throw new Error(`${name} wrote ${written.length} adapters for ${runs} runs`);
}
