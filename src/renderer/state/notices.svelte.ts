import { CallFailed } from '../api/client.svelte.ts';

export interface Notice {
  readonly id: number;
  readonly kind: 'done' | 'problem';
  readonly text: string;
  /** One thing to do about it, such as undo. */
  readonly action?: { readonly label: string; readonly run: () => void };
}

const shownMilliseconds = 6000;
let notices = $state.raw<readonly Notice[]>([]);
let lastId = 0;

/** Short messages in a corner. Problems stay until they are closed. */
export const notifications = {
  get all() {
    return notices;
  },
};

export function notify(notice: Omit<Notice, 'id'>): void {
  const id = ++lastId;
  notices = [...notices.slice(-4), { ...notice, id }];
  if (notice.kind === 'done') setTimeout(() => dismiss(id), shownMilliseconds);
}

export function dismiss(id: number): void {
  notices = notices.filter((notice) => notice.id !== id);
}

/** Runs an action of a person's and shows what went wrong. @returns undefined where something did */
export async function attempt<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CallFailed)) throw error;
    if (error.type !== 'cancelled') notify({ kind: 'problem', text: error.message });
    return undefined;
  }
}
