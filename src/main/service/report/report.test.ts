import { describe, expect, it } from 'vitest';
import { syntheticComparison } from '../../../../test/fixtures/synthetic-comparison.ts';
import { appearanceOf } from '../../../shared/appearance.ts';
import { verdict, verdictLine, type Verdict } from '../../../shared/verdict.ts';
import { chartGroups, explainFall, smoothedMean, smoothingWindow } from './charts.ts';
import type { StepChart } from './charts.ts';
import { reportPage } from './page.ts';
import { html, scriptJson } from './template.ts';

const scripts = { library: '', drawing: '' };

describe('the template', () => {
  it('escapes every value but markup', () => {
    const name = `<script>alert("1 & '2'")</script>`;
    expect(html`<p title="${name}">${html`<b>${'a<b'}</b>`}${[1, undefined, false, '>']}</p>`.text).toBe(
      '<p title="&lt;script&gt;alert(&quot;1 &amp; &#39;2&#39;&quot;)&lt;/script&gt;"><b>a&lt;b</b>1&gt;</p>',
    );
  });

  it('writes JSON that cannot leave its script element, and reads back the same', () => {
    const value = { a: '</script><!-- <script>', b: 'line\u2028and\u2029paragraph', c: [1, null] };
    const text = scriptJson(value);
    expect(text).not.toMatch(/[<\u2028\u2029]/);
    expect(JSON.parse(text)).toEqual(value);
  });
});

describe('the page', () => {
  it('shows a name made of markup as text', () => {
    const page = reportPage(
      syntheticComparison({ dataName: '<script>alert(1)</script>', steps: 4 }),
      scripts,
    );
    expect(page).not.toContain('<script>alert(1)');
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  });

  it('allows no request and only its own scripts', () => {
    const page = reportPage(syntheticComparison({ steps: 4 }), scripts);
    const policy = /http-equiv="Content-Security-Policy"\s+content="([^"]*)"/.exec(page)![1]!;
    expect(policy).toMatch(/^default-src &#39;none&#39;/);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(page).not.toMatch(/(src|href)=/);
  });

  it('stands up to results with nothing in them: no runs, no metrics, every run diverged', () => {
    const result = syntheticComparison({ steps: 6, questions: 0 });
    const diverged = result.runs.map(({ evaluation: _evaluation, ...run }) => ({
      ...run,
      status: 'diverged' as const,
      metrics: [{ step: 1, loss: Number.NaN }],
    }));
    for (const runs of [[], diverged, result.runs.map((run) => ({ ...run, metrics: [] }))]) {
      const page = reportPage({ ...result, runs }, scripts);
      expect(page.replace(/<script type[^]*?<\/script>/g, '')).not.toMatch(/NaN|undefined|Infinity/);
    }
    const page = reportPage({ ...result, runs: diverged }, scripts);
    expect(page).toContain('dpo diverged on 3 of 3 seeds, minor-dpo diverged on 3 of 3 seeds');
  });

  it('has what was chosen on validation, and the arms question by question', () => {
    const result = syntheticComparison({ steps: 4, diverge: false, questions: 60, seeds: [0, 1, 2, 3] });
    const page = reportPage(result, scripts).replace(/\s+/g, ' ');
    expect(page).toContain('Each arm with the settings it does best with on 30 validation questions');
    expect(page).toContain('bootstrap interval over 60 questions and 4 seeds');
    const text = /<script type="application\/json" id="statistics">(.*?)<\/script>/.exec(page)![1]!;
    const { verdicts, selection, itemComparisons } = JSON.parse(text) as Record<string, object[]>;
    expect(verdicts![0]).toHaveProperty('detectable');
    expect(selection).toHaveProperty('verdicts.0.chosen.arm.learningRate');
    // Two measures at two learning rates.
    expect(itemComparisons).toHaveLength(4);
    expect(
      page.match(/<td class="number">[01]\.\d{3}<\/td>|&lt; 0\.001<\/td>/g)!.length,
    ).toBeGreaterThanOrEqual(2 * 4 * 4);
  });

  it('shows of a big grid what can be claimed, and folds the other points', () => {
    const grid = syntheticComparison({
      ...{ learningRates: [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5], arms: ['dpo', 'minor-dpo', 'ipo'] },
      ...{ steps: 4, diverge: false, effect: 0.4, questions: 400, seeds: [0, 1, 2, 3, 4] },
    });
    // At what comes first in the grid nothing can be claimed.
    const runs = grid.runs.map((run) =>
      run.learningRate < 1e-5 ? { ...run, status: 'diverged' as const } : run,
    );
    const result = { ...grid, runs };
    const leading = verdict(result).filter(({ primary }) => primary);
    expect(leading).toHaveLength(12);
    const page = reportPage(result, scripts);
    const [, shown, folded] =
      /<ul class="verdicts" id="verdicts">([^]*?)<\/ul>\s*<details>\s*<summary>6 more at other points of the grid<\/summary>([^]*?)<\/details>/.exec(
        page,
      )!;
    const lines = (text: string): string[] =>
      leading.map(verdictLine).filter((line) => text.includes(html`${line}`.text));
    expect(lines(shown!)).toHaveLength(6);
    expect(lines(folded!)).toHaveLength(6);
    const isClaim = ({ outcome }: Verdict): boolean => outcome === 'higher' || outcome === 'lower';
    const claims = leading.filter(isClaim).map(verdictLine);
    expect(claims).toHaveLength(6);
    expect(lines(shown!)).toEqual(claims);
  });

  it('raises an alarm where the arms were not paired', () => {
    const result = syntheticComparison({ steps: 4 });
    const runs = result.runs.map((run, place) => (place === 0 ? { ...run, adapterStartHash: 'other' } : run));
    const page = reportPage({ ...result, runs }, scripts);
    expect(page).toContain('Not a paired comparison');
    expect(page).toContain('not the same');
  });
});

describe('the charts', () => {
  const stepCharts = (result: Parameters<typeof chartGroups>[0]): StepChart[] =>
    chartGroups(result).flatMap(({ charts }) => charts.filter((chart) => chart.kind === 'steps'));

  it('smooth a mean over seeds without shifting it', () => {
    expect(smoothingWindow(10)).toBe(1);
    expect(smoothingWindow(100)).toBe(5);
    // A straight line stays the same line under a centred average, to its very ends.
    const line = Array.from({ length: 100 }, (_, step) => [step + 1, 2 * step] as const);
    const raised = line.map(([step, value]) => [step, value + 10] as const);
    expect(smoothedMean([line, raised])).toEqual(line.map(([step, value]) => [step, value + 5]));
  });

  it('end a mean where a seed ends, instead of jumping to the seeds that are left', () => {
    const long = [1, 2, 3, 4].map((step) => [step, 1] as const);
    expect(smoothedMean([long, long.slice(0, 2)])).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(smoothedMean([long, []])).toEqual([]);
  });

  it('draw c and r in nats, from rewards divided by beta', () => {
    const result = syntheticComparison({ diverge: false });
    const [chart] = stepCharts(result);
    const curve = chart!.curves.find(({ label }) => label === 'dpo r, seed 1')!;
    const run = result.runs.find(({ loss, seed }) => loss === 'dpo' && seed === 1)!;
    expect(curve.dashed).toBe(true);
    curve.points.forEach(([step, value], place) => {
      expect(step).toBe(place + 1);
      expect(value).toBeCloseTo(run.metrics[place]!['rewards/rejected']! / 0.1, 3);
    });
  });

  it('begin at 0 where the measure is a distance', () => {
    const result = syntheticComparison();
    const klToReference = { samples: 20, tokens: 400, perToken: 0.2 };
    const runs = result.runs.map((run) =>
      run.evaluation ? { ...run, evaluation: { ...run.evaluation, klToReference } } : run,
    );
    const dots = chartGroups({ ...result, runs }).flatMap(({ charts }) =>
      charts.filter((chart) => chart.kind === 'dots'),
    );
    expect(dots.filter(({ fromZero }) => fromZero).map(({ id }) => id)).toEqual(['dots-kl']);
  });

  it('are one group per learning rate and β, rewards of each run in its own β', () => {
    const result = syntheticComparison({
      ...{ arms: ['dpo', 'sft'], learningRates: [1e-6, 1e-5], betas: [0.05, 0.2], diverge: false, steps: 8 },
    });
    const groups = chartGroups(result);
    expect(groups.map(({ heading }) => heading)).toEqual([
      'Final measures at β 0.05, independent of the loss',
      'Final measures at β 0.2, independent of the loss',
      'Held-out pairs',
      'Training at lr 1e-6, β 0.05',
      'Training at lr 1e-6, β 0.2',
      'Training at lr 1e-5, β 0.05',
      'Training at lr 1e-5, β 0.2',
    ]);
    const ids = groups.flatMap(({ charts }) => charts.map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
    const chart = stepCharts(result).find(({ id }) => id === 'steps-1-log-ratios')!;
    expect(chart.curves.some(({ label }) => label.startsWith('sft'))).toBe(true);
    const { points } = chart.curves.find(({ label }) => label === 'dpo c, seed 0')!;
    const { metrics } = result.runs.find(
      ({ loss, learningRate, seed, beta }) =>
        loss === 'dpo' && learningRate === 1e-6 && seed === 0 && beta === 0.2,
    )!;
    metrics.forEach((step, place) => expect(points[place]![1]).toBeCloseTo(step['rewards/chosen']! / 0.2, 3));
    const page = reportPage(result, scripts).replace(/<script type[^]*?<\/script>/g, '');
    expect(page).toMatch(/<th class="number">β<\/th>/);
    expect(page).toContain('sft ignores β');
    expect(page).not.toMatch(/NaN|undefined/);
  });

  it('end a curve at its last finite value and keep a blow-up out of the axis', () => {
    const made = syntheticComparison({ learningRates: [5e-5], steps: 40 });
    const runs = made.runs.map((run) =>
      run.status === 'diverged'
        ? {
            ...run,
            metrics: run.metrics.map((step) =>
              step.step >= 20 && step.step < 24 ? { ...step, loss: 1e30 } : step,
            ),
          }
        : run,
    );
    const result = JSON.parse(JSON.stringify({ ...made, runs })) as typeof made;
    const chart = stepCharts(result).find(({ id }) => id.endsWith('-loss'))!;
    const curve = chart.curves.find(({ diverged }) => diverged)!;
    expect(curve.points.at(-1)).toEqual([23, 1e30]);
    expect(chart.range![1]).toBeLessThan(3);
    expect(chart.badges).toEqual(['dpo, seed 2: diverged at step 24']);
  });

  it('explain a fall of both answers only where both fall', () => {
    const result = syntheticComparison({ diverge: false });
    expect(explainFall(result, { learningRate: 5e-6 })).toMatch(/^Both fall below the line for dpo:/);
    const rising = result.runs.filter(({ loss }) => loss === 'minor-dpo');
    expect(
      explainFall({ ...result, arms: ['minor-dpo'], runs: rising }, { learningRate: 5e-6 }),
    ).not.toContain('Both fall');
  });

  it('give each loss one appearance, and a neutral one to a loss without an entry', () => {
    const names = [
      'dpo',
      'minor-dpo',
      'sft',
      'dpop',
      'ipo',
      'hinge',
      'cdpo',
      'robust',
      'simpo',
      'orpo',
      'minor-sft',
    ];
    const looks = names.map((name) => JSON.stringify(appearanceOf(name)));
    expect(new Set(looks).size).toBe(names.length);
    expect(appearanceOf('toString')).toEqual(appearanceOf('some-new-loss'));
  });
});
