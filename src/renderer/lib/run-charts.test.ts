import { describe, expect, it } from 'vitest';
import { metricNames } from '../../shared/metrics.ts';
import { chosenCharts, linesOf, runCharts, variedWords } from './run-charts.ts';

const run = (id: number, more = {}) => ({
  id,
  loss: 'dpo' as const,
  learningRate: 5e-6,
  beta: 0.1,
  seed: 0,
  ...more,
});

describe('charts of runs', () => {
  it('draw every metric once, but for what is an axis', () => {
    for (const apart of [true, false]) {
      const metrics = [...metricNames, 'eval_loss', 'a custom one', 'eval_custom'];
      const drawn = runCharts(metrics, apart).flatMap((chart) => chart.metrics.map(({ metric }) => metric));
      expect([...drawn].sort()).toEqual(
        metrics.filter((metric) => metric !== 'num_tokens' && metric !== 'epoch').sort(),
      );
    }
  });

  it('have titles in words, not names of metrics', () => {
    for (const { title } of runCharts(metricNames, true)) expect(metricNames).not.toContain(title);
  });

  it('lay held-out values over those of training', () => {
    expect(runCharts(['loss', 'eval_loss'], false)[0]).toMatchObject({
      name: 'loss',
      metrics: [{ metric: 'loss' }, { metric: 'eval_loss', label: 'held out' }],
    });
    expect(runCharts(['eval_kl'], false)[0]).toMatchObject({
      name: 'kl',
      title: 'KL to the reference, nats per token',
    });
  });

  it('keep chosen and rejected together for one run and apart for several', () => {
    const metrics = ['rewards/chosen', 'rewards/rejected'];
    expect(runCharts(metrics, false).map(({ name }) => name)).toEqual(['rewards']);
    expect(runCharts(metrics, true).map(({ name }) => name)).toEqual(['chosen', 'rejected']);
    expect(runCharts(metrics, true).every(({ zeroLine }) => zeroLine)).toBe(true);
  });

  it('are the usual ones until others are chosen, none included', () => {
    const charts = runCharts(['loss', 'memory/rss'], false);
    expect(chosenCharts(charts, undefined).map(({ name }) => name)).toEqual(['loss']);
    expect(chosenCharts(charts, 'memory/rss').map(({ name }) => name)).toEqual(['memory/rss']);
    expect(chosenCharts(charts, '')).toEqual([]);
  });
});

describe('lines of runs', () => {
  it('say what differs, and only that', () => {
    expect(variedWords([run(1)])).toEqual(['']);
    expect(variedWords([run(1), run(2, { seed: 1 })])).toEqual(['seed 0', 'seed 1']);
    expect(variedWords([run(1), run(2, { loss: 'minor-dpo' })])).toEqual(['', '']);
    expect(variedWords([run(1), run(2)])).toEqual(['run 1', 'run 2']);
    expect(variedWords([run(1), run(2), run(3, { learningRate: 1e-5, beta: 0.5 })])).toEqual([
      'run 1, lr 5e-6, β 0.1',
      'run 2, lr 5e-6, β 0.1',
      'lr 1e-5, β 0.5',
    ]);
  });

  it('have keys and styles of their own', () => {
    const [chart] = runCharts(['rewards/chosen', 'rewards/rejected'], false);
    const lines = linesOf(chart!, [run(7)]);
    expect(lines.map(({ key }) => key)).toEqual(['7:rewards/chosen', '7:rewards/rejected']);
    expect(lines.map(({ label }) => label)).toEqual(['chosen', 'rejected']);
    expect(new Set(lines.map(({ place }) => place)).size).toBe(2);
    const [loss] = runCharts(['loss'], true);
    const places = linesOf(loss!, [run(1), run(2), run(3, { loss: 'sft' })]).map(({ place }) => place);
    expect(places).toEqual([0, 1, 0]);
  });
});
