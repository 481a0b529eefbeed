import type { ProgressEvent, StoreChange } from '../../shared/contract.ts';
import type { Topic } from '../../shared/app/protocol.ts';
import { listedTables, type ListedTable, type RunState } from '../store/changes.ts';
import { recoverOrphans } from './jobs.ts';
import type { Library } from './library.ts';

const pollMilliseconds = 250;
/** A process that was killed writes nothing: whether those at work live is looked at by the clock. */
const lookAfterMilliseconds = 5000;
/** Of the time at most this share goes into looking what has changed. */
const mostShare = 0.05;

/** Follows the database for any number of listeners with one timer, and without one where nobody listens. */
export class Watcher {
  readonly #library: Library;
  readonly #listeners = new Set<(change: StoreChange) => void>();
  #timer: NodeJS.Timeout | undefined;
  #counter = '';
  #fingerprints = new Map<ListedTable, string>();
  #runs = new Map<number, RunState>();
  #jobs = new Map<number, string>();
  #lookedAt = 0;

  constructor(library: Library) {
    this.#library = library;
  }

  /** @returns what ends the watch */
  watch(listener: (change: StoreChange) => void): () => void {
    if (this.#listeners.size === 0) this.#begin();
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.close();
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#listeners.clear();
  }

  /** What is there now is no news. */
  #begin(): void {
    this.#counter = this.#library.store.changes.counter();
    this.#look();
    this.#wait(0);
  }

  #wait(spent: number): void {
    this.#timer = setTimeout(
      () => {
        const began = performance.now();
        this.#poll();
        if (this.#listeners.size > 0) this.#wait(performance.now() - began);
      },
      Math.max(pollMilliseconds, spent / mostShare),
    );
  }

  #poll(): void {
    const now = performance.now();
    try {
      if (this.#jobs.size > 0 && now - this.#lookedAt > lookAfterMilliseconds) {
        this.#lookedAt = now;
        recoverOrphans(this.#library);
      }
      const counter = this.#library.store.changes.counter();
      if (counter === this.#counter) return;
      const change = this.#look();
      this.#counter = counter;
      if (change.topics.length + change.runs.length + change.jobs.length === 0) return;
      for (const listener of this.#listeners) listener(change);
    } catch {
      // A busy or full database is told of where somebody asks it something; here the next turn looks again.
    }
  }

  #look(): StoreChange {
    const topics = new Set<Topic>();
    const { changes } = this.#library.store;
    for (const table of listedTables) {
      const now = changes.fingerprint(table);
      if (this.#fingerprints.get(table) !== now) topics.add(table);
      this.#fingerprints.set(table, now);
    }
    const runs = this.#lookAtRuns(topics);
    return { topics: [...topics], runs: this.#library.store.runList.of(runs), jobs: this.#lookAtJobs() };
  }

  /** @returns the runs that differ from what was last seen */
  #lookAtRuns(topics: Set<Topic>): number[] {
    const seen = new Map<number, RunState>();
    const differing: number[] = [];
    let added = 0;
    for (const run of this.#library.store.changes.runs()) {
      const before = this.#runs.get(run.id);
      seen.set(run.id, run);
      if (before?.status === run.status && before.step === run.step) continue;
      differing.push(run.id);
      if (before?.status === run.status) continue;
      topics.add('runs');
      // How many of its runs are done stands in the list of comparisons, how many a project has in that of projects.
      if (run.comparison !== null) topics.add('comparisons');
      if (before !== undefined) continue;
      added += 1;
      topics.add('projects');
    }
    if (seen.size - added < this.#runs.size)
      for (const topic of ['runs', 'projects', 'comparisons'] as const) topics.add(topic);
    this.#runs = seen;
    return differing;
  }

  #lookAtJobs(): StoreChange['jobs'] {
    const told: { job: number; event: ProgressEvent | null }[] = [];
    const seen = new Map<number, string>();
    for (const { job, progress } of this.#library.store.changes.atWork()) {
      const text = JSON.stringify(progress);
      seen.set(job, text);
      if (progress !== null && this.#jobs.get(job) !== text)
        told.push({ job, event: progress as ProgressEvent });
    }
    for (const job of this.#jobs.keys()) if (!seen.has(job)) told.push({ job, event: null });
    this.#jobs = seen;
    return told;
  }
}
