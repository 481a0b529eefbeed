import { expect } from 'vitest';

/** A Markdown report lists the same numbers, and what its tables and words show is some of them, rounded. */
export function expectInMarkdown(
  text: string,
  shown: ReadonlyMap<string, number>,
  value: (id: string) => number,
): void {
  const listed = [...text.matchAll(/^\| `([^`]*)` \| (\S+) \|/gm)]
    .filter(([, id]) => id!.startsWith('c1.'))
    .map(([, id, digits]) => [id!, Number(digits)] as const);
  expect(listed).toEqual([...shown]);
  const tablesUnder = (heading: string): string[][][] => {
    const section = text.split(`${heading}`)[1]!.split(/\n##/)[0]!;
    return section
      .split('\n\n')
      .filter((block) => block.startsWith('|'))
      .map((block) => block.trimEnd().split('\n'))
      .map((lines) => [lines[0]!, ...lines.slice(2)].map((line) => line.slice(2, -2).split(' | ')));
  };
  const toRate = (heading: string): string =>
    Number(heading.replace('lr ', '')).toExponential().replace('+', '');
  const isShown = (figure: string, id: string, scale = 1): void => {
    const digits = figure.replace('−', '-');
    expect(Number(digits), `${figure} for ${id}`).toBeCloseTo(
      scale * value(id),
      digits.split('.')[1]?.length ?? 0,
    );
  };
  const [heat] = tablesUnder('### Over the grid: task accuracy, %');
  const rates = heat![0]!.slice(2).map(toRate);
  expect(rates).toHaveLength(3);
  let collapsed = 0;
  for (const [arm, , ...cells] of heat!.slice(1))
    for (const [place, cell] of cells.entries()) {
      const [, average, broken] = /^(\S+)(?: \(collapsed (\d)\/3\))?$/.exec(cell)!;
      isShown(average!, `c1.task.${arm}.lr${rates[place]}.mean`, 100);
      if (broken === undefined) continue;
      isShown(broken, `c1.collapse.${arm}.lr${rates[place]}.runs`);
      collapsed += 1;
    }
  expect(collapsed).toBeGreaterThan(0);
  const [since] = tablesUnder('### What collapsed, and since when');
  const ids = new Set(
    [...shown.keys()].filter((id) => id.startsWith('c1.collapse.') && !id.endsWith('.runs')),
  );
  expect(since!.length - 1).toBe(ids.size);
  for (const [arm, rate, , seed, words, step] of since!.slice(1)) {
    const rule = words!.startsWith('KL')
      ? 'kl'
      : words!.startsWith('task')
        ? 'accuracy'
        : words!.startsWith('most')
          ? 'repetition'
          : 'non-finite';
    isShown(step!.split(' ')[0]!, `c1.collapse.${arm}.lr${toRate(rate!)}.s${seed}.${rule}`);
  }
  const matrices = tablesUnder('### Every policy under every loss');
  expect(matrices).toHaveLength(3);
  for (const [place, [[, ...columns], ...rows]] of (matrices as [string[], ...string[][]][]).entries())
    for (const [arm, ...cells] of rows)
      for (const [column, cell] of cells.entries()) {
        const [figure, spread] = cell.split(' ± ');
        const id = `c1.under-${columns[column]}.${arm}`;
        if (figure === '–') continue;
        isShown(figure!, arm === 'base' ? id : `${id}.lr${rates[place]}.mean`);
        if (spread !== undefined) isShown(spread, `${id}.lr${rates[place]}.sd`);
      }
  const parted = text.split('## Where arms part')[1]!;
  const partings = [
    ...parted.matchAll(
      /^lr (\S+): (\S+) and (\S+) (?:seem to )?part in (raw margin|held-out preference).* at step (\d+).*?: ([+−][\d.]+).*? ± ([\d.]+)/gm,
    ),
  ];
  const steps = [...shown.keys()].filter((id) => id.endsWith('.parting.step'));
  expect(partings).toHaveLength(steps.length);
  for (const [, rate, arm, against, label, step, difference, halfWidth] of partings) {
    const measure = label === 'raw margin' ? 'margin' : 'preference';
    const where = `c1.${measure}.${arm}-vs-${against}.lr${toRate(rate!)}.parting`;
    isShown(step!, `${where}.step`);
    isShown(difference!.replace('+', ''), `${where}.difference`, measure === 'margin' ? 1 : 100);
    isShown(halfWidth!, `${where}.half-width`, measure === 'margin' ? 1 : 100);
  }
  expect(parted.split('\n## ')[0]).toContain('| prompt | dpo | minor-dpo |');
}
