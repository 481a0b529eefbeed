// Runs in the report, in a browser: draws the charts that charts.ts prepared. Plain JavaScript, inlined as it stands.
/* global Chart, document, window, getComputedStyle, matchMedia */
(() => {
  'use strict';
  const { groups, marks, dashes } = JSON.parse(document.getElementById('charts').textContent);
  const specs = groups.flatMap((group) => group.charts);
  const root = document.documentElement;
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const drawn = [];

  const faint = (hex, alpha) =>
    hex +
    Math.round(alpha * 255)
      .toString(16)
      .padStart(2, '0');
  const toPoints = (points) => points.map(([x, y]) => ({ x, y }));
  const clamp = (y, range) => (range ? Math.min(range[1], Math.max(range[0], y)) : y);

  const dashOf = ({ dashed, place }) => {
    const patterns = dashed ? dashes.dashed : dashes.solid;
    return patterns[place % patterns.length];
  };

  // So many of a mean's points carry its loss's mark, those of different arms at different steps: a line is told apart
  // without its colour, too.
  const marksOfLine = 8;
  const radiiOf = ({ points, arm }) => {
    const distance = Math.ceil(points.length / marksOfLine);
    const first = Math.floor(((arm + 0.5) / marks.length) * distance);
    return points.map((_, at) => (at % distance === first ? 4 : 0));
  };

  function stepDatasets(spec, armColour) {
    const datasets = [];
    for (const curve of spec.curves) {
      const mean = curve.kind === 'mean';
      datasets.push({
        label: curve.label,
        data: toPoints(curve.points),
        borderColor: mean ? armColour(curve.arm) : faint(armColour(curve.arm), 0.35),
        borderWidth: mean ? 2.25 : 1,
        borderDash: dashOf(curve),
        ...(mean
          ? {
              pointStyle: marks[curve.arm],
              pointRadius: radiiOf(curve),
              pointBorderWidth: 1.5,
              // Outlined on a dashed line.
              pointBackgroundColor: curve.dashed ? colour('--ground') : armColour(curve.arm),
            }
          : { pointRadius: 0 }),
        pointHitRadius: mean ? 6 : 0,
        order: mean ? 1 : 2,
      });
      const last = curve.points.at(-1);
      if (curve.diverged && last) {
        datasets.push({
          label: `${curve.label} diverged`,
          data: [{ x: last[0], y: clamp(last[1], spec.range) }],
          showLine: false,
          clip: false,
          pointStyle: 'crossRot',
          pointRadius: 7,
          pointBorderWidth: 3,
          borderColor: armColour(curve.arm),
          order: 0,
        });
      }
    }
    return datasets;
  }

  function dotDatasets(spec, armColour) {
    const datasets = spec.groups.flatMap((group) => [
      {
        label: group.label,
        data: toPoints(group.dots),
        showLine: false,
        clip: false,
        pointStyle: marks[group.arm],
        pointRadius: 5,
        borderColor: armColour(group.arm),
        backgroundColor: faint(armColour(group.arm), 0.35),
        order: 2,
      },
      {
        label: `${group.label}, mean`,
        data: group.mean ? toPoints([group.mean]) : [],
        showLine: false,
        clip: false,
        pointStyle: 'line',
        pointRadius: 14,
        pointHitRadius: 0,
        pointBorderWidth: 3,
        borderColor: armColour(group.arm),
        order: 1,
      },
    ]);
    if (spec.base !== null && spec.base !== undefined) {
      const ends = [-0.5, spec.categories.length - 0.5];
      datasets.push({
        label: 'base',
        data: ends.map((x) => ({ x, y: spec.base })),
        borderColor: colour('--arm-base'),
        borderDash: [6, 4],
        clip: false,
        borderWidth: 1.5,
        pointRadius: 0,
        pointHitRadius: 0,
        order: 3,
      });
    }
    return datasets;
  }

  function scatterDatasets(spec, armColour) {
    let ends = [0, 0];
    for (const group of spec.groups)
      for (const [c, r] of group.points) ends = [Math.min(ends[0], c, r), Math.max(ends[1], c, r)];
    return [
      ...spec.groups.map((group) => ({
        label: group.label,
        data: toPoints(group.points),
        showLine: false,
        pointStyle: marks[group.arm],
        pointRadius: 3,
        borderColor: faint(armColour(group.arm), 0.8),
        backgroundColor: faint(armColour(group.arm), 0.25),
      })),
      {
        label: 'c = r',
        showLine: true,
        data: ends.map((x) => ({ x, y: x })),
        borderColor: colour('--axis'),
        borderDash: [4, 4],
        borderWidth: 1,
        pointRadius: 0,
        pointHitRadius: 0,
      },
    ];
  }

  function axis(title, extra) {
    const zero = (context) => context.tick && context.tick.value === 0;
    return {
      type: 'linear',
      title: { display: true, text: title, color: colour('--quiet') },
      border: { color: colour('--rule') },
      ticks: { color: colour('--quiet'), maxTicksLimit: 7, ...(extra.ticks || {}) },
      grid: {
        color: (context) => (zero(context) && extra.zero ? colour('--axis') : colour('--grid')),
        lineWidth: (context) => (zero(context) && extra.zero ? 1.5 : 1),
      },
      ...extra.scale,
    };
  }

  // Room around the data, but no percentage below 0 or above 100, and no distance below 0.
  function dotRange(spec) {
    const values = spec.groups.flatMap((group) => group.dots.map(([, y]) => y));
    if (typeof spec.base === 'number') values.push(spec.base);
    if (!spec.limits || values.length === 0) return { grace: '10%', beginAtZero: spec.fromZero };
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = Math.max((high - low) * 0.1, 1);
    return {
      ...(low - room < spec.limits[0] ? { min: spec.limits[0] } : { suggestedMin: low - room }),
      ...(high + room > spec.limits[1] ? { max: spec.limits[1] } : { suggestedMax: high + room }),
    };
  }

  function scales(spec) {
    if (spec.kind === 'steps') {
      const [min, max] = spec.range || [0, 1];
      // The exact bounds are no round numbers: their labels would crowd the axis.
      return {
        x: axis(spec.xLabel, {
          scale: { ticks: { color: colour('--quiet'), precision: 0, maxTicksLimit: 7 } },
        }),
        y: axis(spec.yLabel, { zero: true, ticks: { includeBounds: false }, scale: { min, max } }),
      };
    }
    if (spec.kind === 'dots') {
      return {
        x: axis(spec.xLabel, {
          ticks: { stepSize: 1, autoSkip: false, callback: (value) => spec.categories[value] ?? '' },
          scale: {
            min: -0.5,
            max: spec.categories.length - 0.5,
            grid: { display: false },
            afterBuildTicks: (scale) => {
              scale.ticks = spec.categories.map((_, value) => ({ value }));
            },
          },
        }),
        y: axis(spec.yLabel, {
          zero: true,
          scale: dotRange(spec),
        }),
      };
    }
    return { x: axis(spec.xLabel, { zero: true }), y: axis(spec.yLabel, { zero: true }) };
  }

  function configuration(spec) {
    const armColour = (arm) => colour(`--arm-${arm}`);
    const datasets = { steps: stepDatasets, dots: dotDatasets, scatter: scatterDatasets }[spec.kind];
    return {
      type: spec.kind === 'scatter' ? 'scatter' : 'line',
      data: { datasets: datasets(spec, armColour) },
      options: {
        animation: false,
        parsing: false,
        normalized: true,
        maintainAspectRatio: false,
        interaction: { mode: 'nearest', intersect: true },
        plugins: { legend: { display: false }, tooltip: { animation: false } },
        scales: scales(spec),
      },
    };
  }

  function draw() {
    while (drawn.length > 0) drawn.pop().destroy();
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 11;
    for (const spec of specs) drawn.push(new Chart(document.getElementById(spec.id), configuration(spec)));
    root.dataset.charts = String(drawn.length);
  }

  draw();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  // Paper is white: print the light colours whatever the screen shows, and unfold what is folded, but for the long list of
  // all numbers.
  let folded = [];
  window.addEventListener('beforeprint', () => {
    root.dataset.theme = 'light';
    folded = [...document.querySelectorAll('details:not([open]):not(#numbers)')];
    for (const element of folded) element.open = true;
    draw();
  });
  window.addEventListener('afterprint', () => {
    delete root.dataset.theme;
    for (const element of folded) element.open = false;
    draw();
  });
})();
