import { SvelteMap } from 'svelte/reactivity';
import type { Topic } from '../../shared/app/protocol.ts';
import type { ProgressEvent, RunSummary } from '../../shared/contract.ts';
import { onPush } from '../api/client.svelte.ts';

/** How often each topic has changed: what reads it loads again. */
export const versions = new SvelteMap<Topic, number>();

/** Runs as the host last told of them; only those that changed since the page was opened. */
export const liveRuns = new SvelteMap<number, RunSummary>();

/** What the process of each job is doing. */
export const jobProgress = new SvelteMap<number, ProgressEvent>();

onPush((push) => {
  if (push.kind === 'changed') {
    for (const topic of push.topics) versions.set(topic, (versions.get(topic) ?? 0) + 1);
  } else if (push.kind === 'runs') {
    for (const run of push.runs) liveRuns.set(run.id, run);
  } else if (push.event === null) jobProgress.delete(push.job);
  else jobProgress.set(push.job, push.event);
});

/** A run as it is now. */
export function latest(run: RunSummary): RunSummary {
  return liveRuns.get(run.id) ?? run;
}
