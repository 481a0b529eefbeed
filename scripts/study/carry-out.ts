import type {
  CallOptions,
  ComparisonSummary,
  CompareRequest,
  ProgressEvent,
  Services,
} from '../../src/shared/contract.ts';
import { describePlan } from '../../src/shared/plan.ts';
import { projectOf, type StudyPart } from './parts.ts';

/** A part's comparison as it lies on record; undefined where it was never begun. */
export async function onRecord(services: Services, part: StudyPart): Promise<ComparisonSummary | undefined> {
  const project = projectOf(part);
  const { projects } = await services.listProjects();
  if (!projects.some(({ name }) => name === project)) return undefined;
  return (await services.listComparisons({ project })).comparisons.at(-1);
}

async function begin(services: Services, part: StudyPart, call: CallOptions): Promise<void> {
  const project = projectOf(part);
  const { projects } = await services.listProjects();
  if (!projects.some(({ name }) => name === project)) await services.addProject({ name: project });
  await services.queueCompare({ ...part.request, project }, call);
}

export const isDone = ({ runs }: ComparisonSummary): boolean => runs.done === runs.total;

/**
 * Trains what a part still lacks: begins it, or goes on with what lies on record.
 * @throws InputError where model or data are no longer those it was begun with
 */
export async function carryOut(
  services: Services,
  part: StudyPart,
  call: CallOptions,
  say: (text: string) => void,
): Promise<void> {
  if ((await onRecord(services, part)) === undefined) await begin(services, part, call);
  const found = (await onRecord(services, part))!;
  const { done, total } = found.runs;
  if (isDone(found)) return say(`${part.name}: all ${total} runs are on record`);
  say(
    done === 0
      ? `${part.name}: ${total} runs`
      : `${part.name}: going on, ${done} of ${total} runs are on record`,
  );
  const { members } = await services.showComparison({ comparison: found.id });
  await services.resumeRun(
    { run: members[0]!.id, queue: false },
    { ...call, onProgress: call.onProgress && asOneBar(part.name, call.onProgress) },
  );
}

/**
 * One bar for a whole part. A comparison tells of each run and each piece of its evaluation by itself, which would start the
 * clock anew some hundred times: rate and time left would be those of a few seconds.
 */
export function asOneBar(
  name: string,
  onProgress: (event: ProgressEvent) => void,
): (event: ProgressEvent) => void {
  return (event) => {
    if (event.kind === 'note') return onProgress({ ...event, text: `${name}: ${event.text}` });
    if (event.kind === 'progress' && /^run \d+\/\d+ /.test(event.label))
      onProgress({ ...event, label: name });
  };
}

/** What a part would take, in lines; opens the model and measures, and trains nothing. */
export async function estimate(services: Services, part: StudyPart, call: CallOptions): Promise<string[]> {
  const found = await onRecord(services, part);
  const { plan } = await services.plan({ kind: 'compare', request: part.request }, call);
  return [...describeGrid(part.request), ...(found ? [describeStanding(found)] : []), ...describePlan(plan)];
}

const describeStanding = ({ runs }: ComparisonSummary): string =>
  `record  ${runs.done} of ${runs.total} runs are there; the estimate is for all`;

function describeGrid({ arms, learningRates, betas = [], seeds }: CompareRequest): string[] {
  const runs = arms.length * learningRates.length * Math.max(1, betas.length) * seeds.length;
  return [
    `arms    ${arms.join(', ')}`,
    `grid    ${learningRates.length} learning rates (${learningRates.join(', ')}), β ${betas.join(', ')}, ${seeds.length} seeds: ${runs} runs`,
  ];
}
