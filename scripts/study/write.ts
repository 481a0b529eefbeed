import { mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { writeAskedFile } from '../../src/main/formats/files.ts';
import { leadingMeasure } from '../../src/shared/collapse.ts';
import type { ComparisonResult } from '../../src/shared/comparison.ts';
import { measures, type Measure } from '../../src/shared/measures.ts';
import type { Services } from '../../src/shared/contract.ts';
import { onRecord } from './carry-out.ts';
import { studyDocument, type PartRecord } from './document.ts';
import type { StudyOptions } from './options.ts';
import { titles, type PartName, type StudyPart } from './parts.ts';
import { heatMapPlot, measurePlot } from './plots.ts';

const reportEndings = ['html', 'md', 'csv', 'json'] as const;

/**
 * Writes study.md with its pictures, and each part's full reports into the home folder, all out of the record.
 * @param parts those that can be looked up here; of others it is said that they were not run
 * @returns the paths written
 */
export async function writeStudy(
  services: Services,
  parts: readonly StudyPart[],
  { home, out }: Pick<StudyOptions, 'home' | 'out'>,
): Promise<string[]> {
  const written: string[] = [];
  const pictures = join(out, 'images', 'study');
  mkdirSync(pictures, { recursive: true });
  const records: PartRecord[] = [];
  for (const part of parts) {
    const found = await recordOf(services, part);
    if (found?.result === undefined) {
      records.push({ name: part.name, title: part.title, about: part.about, pictures: [] });
      continue;
    }
    const drawn = drawPictures(found.result).map(({ name, alt, svg }) => {
      const path = join(pictures, `${part.name}-${name}.svg`);
      writeAskedFile(path, svg, 'cannot write the picture');
      written.push(path);
      return { path: relative(out, path).replaceAll('\\', '/'), alt };
    });
    records.push({ ...found, pictures: drawn });
    for (const ending of reportEndings) {
      const report = join(home, `${part.name}.${ending}`);
      await services.report({ comparison: found.comparison, report });
      written.push(report);
    }
  }
  const missing = (Object.keys(titles) as PartName[]).filter(
    (name) => !parts.some((part) => part.name === name),
  );
  for (const name of missing)
    records.push({
      name,
      title: titles[name],
      about: 'Its model and data are not part of this checkout.',
      pictures: [],
    });
  const path = join(out, 'study.md');
  writeAskedFile(path, studyDocument(records), 'cannot write the study');
  return [...written, path];
}

async function recordOf(
  services: Services,
  part: StudyPart,
): Promise<(Omit<PartRecord, 'pictures'> & { readonly comparison: number }) | undefined> {
  const found = await onRecord(services, part);
  if (found === undefined) return undefined;
  const { result, selection } = await services.showComparison({ comparison: found.id });
  const hasRuns = result !== undefined && result.runs.length > 0;
  return {
    name: part.name,
    title: part.title,
    about: part.about,
    comparison: found.id,
    ...(hasRuns ? { result } : {}),
    ...(selection ? { selection } : {}),
  };
}

/** Measures that are drawn beside the leading one. */
const drawnBeside: readonly Measure['name'][] = ['preference', 'margin', 'c', 'kl'];

function drawPictures(
  result: ComparisonResult,
): { readonly name: string; readonly alt: string; readonly svg: string }[] {
  const leading = leadingMeasure(result);
  const names = [leading.name, ...drawnBeside.filter((name) => name !== leading.name)];
  const heat = heatMapPlot(result);
  return [
    ...(heat === undefined
      ? []
      : [
          {
            name: 'heat-map',
            alt: `Heat map of ${leading.label}: every loss over learning rate and β`,
            svg: heat,
          },
        ]),
    ...names.flatMap((name) => {
      const measure = measures.find((each) => each.name === name)!;
      const svg = measurePlot(result, measure);
      return svg === undefined
        ? []
        : [{ name, alt: `${measure.label} of each loss over learning rates`, svg }];
    }),
  ];
}
