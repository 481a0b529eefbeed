import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServices } from '../../src/main/service/index.ts';
import type {
  JudgingSummary,
  JudgingView,
  ProgressEvent,
  Services,
  StartJudgingRequest,
} from '../../src/shared/contract.ts';
import { inStore, plumbline, scratchFolder, sums, writeLines, writeTinyModel } from './support.ts';
import { succeed } from './succeed.ts';

/** Two tiny models and a run's checkpoint, judged blind: by the services, and by the command line alone. */
const { path: folder, remove } = scratchFolder();
const at = (name: string): string => join(folder, name);
const home = at('home');
const pairs = sums(12);
const chats = pairs.slice(0, 3).map(({ prompt, chosen, rejected }) => ({
  prompt: [
    { role: 'system', content: 'Be short.' },
    { role: 'user', content: prompt },
  ],
  chosen: [{ role: 'assistant', content: chosen }],
  rejected: [{ role: 'assistant', content: rejected }],
}));
const sampling = { chat: false, maxTokens: 8, temperature: 0, topP: 1 };
const both = [{ model: 'one' }, { model: 'other' }] as const;
let services: Services;

beforeAll(async () => {
  writeTinyModel(at('one'));
  writeTinyModel(at('other'), { seed: 1 });
  writeTinyModel(at('plain'), { seed: 2, template: false });
  // A prompt that comes twice is judged once.
  writeLines(at('sums.jsonl'), [...pairs, { ...pairs[0]!, chosen: ' Something else.' }]);
  writeLines(at('chats.jsonl'), chats);
  for (const name of ['one', 'other', 'plain']) await succeed(home, ['models', 'add', at(name)]);
  for (const name of ['sums', 'chats']) await succeed(home, ['data', 'add', at(`${name}.jsonl`)]);
  await succeed(home, ['data', 'split', 'sums', '--share', 0.25]);
  services = await createServices({ home });
}, 120_000);
afterAll(async () => {
  await services.close();
  remove();
});

const start = (changes: Partial<StartJudgingRequest> = {}): Promise<JudgingSummary> =>
  services.startJudging({
    policies: both,
    prompts: { data: 'sums', side: 'all' },
    seed: 7,
    ...sampling,
    ...changes,
  });
const recorded = (id: number) => inStore(home, (store) => store.judgings.items(id));

describe('a blind judging', () => {
  it('asks each prompt once, in an order and on sides that its seed draws', async () => {
    const first = await start();
    expect(first).toMatchObject({
      name: 'one against other',
      items: 12,
      ready: 0,
      voted: 0,
      revealed: false,
    });
    const again = await start();
    const another = await start({ seed: 8 });
    const drawn = [first, again, another].map(({ id }) => recorded(id));
    expect(drawn[1]).toEqual(drawn[0]);
    expect(drawn[2]).not.toEqual(drawn[0]);
    expect(new Set(drawn[0]!.map(({ prompt }) => prompt))).toEqual(
      new Set(pairs.map(({ prompt }) => prompt)),
    );
    // The sides' stream is its own: fewer prompts leave those that stay where they were.
    const fewer = recorded((await start({ most: 5 })).id);
    expect(fewer).toEqual(drawn[0]!.slice(0, 5));
    // Both sides are drawn; each of 200 is a fair coin, so 40 or fewer has a chance of 1 in 10¹⁷.
    const texts = Array.from({ length: 200 }, (_, place) => `prompt ${place}`);
    const onA = recorded((await start({ prompts: { texts } })).id).filter(({ firstSide }) => firstSide === 0);
    expect(onA.length).toBeGreaterThan(60);
    expect(onA.length).toBeLessThan(140);
  });

  it('takes its prompts from one side of a split', async () => {
    const held = recorded((await start({ prompts: { data: 'sums', side: 'eval' } })).id);
    const rest = recorded((await start({ prompts: { data: 'sums', side: 'train' } })).id);
    expect(held).toHaveLength(3);
    expect(rest).toHaveLength(9);
    const of = (items: typeof held) => items.map(({ prompt }) => prompt);
    expect(new Set([...of(held), ...of(rest)])).toEqual(new Set(pairs.map(({ prompt }) => prompt)));
  });

  it('puts each policy’s own answer on the side that was drawn', { timeout: 60_000 }, async () => {
    const { id } = await start({ most: 4 });
    const events: ProgressEvent[] = [];
    await services.prepareJudging({ judging: id }, { onProgress: (event) => events.push(event) });
    expect(events.at(-1)).toMatchObject({ kind: 'progress', done: 4, total: 4 });
    for (const { index, prompt, firstSide } of recorded(id)) {
      const answers = [];
      for (const policy of both) {
        const asked = { policy, prompt: prompt as string, ...sampling, seed: 0 };
        answers.push((await services.generateText(asked)).text);
      }
      const { item } = await services.showJudging({ judging: id, item: index });
      expect([item.answers!.a, item.answers!.b]).toEqual(firstSide === 0 ? answers : answers.toReversed());
    }
  });

  it('tells nothing of sides before the result, whatever is asked', async () => {
    // Two records in which the same is seen, but by the other policy each time.
    const views = [0, 1].map((firstSide) =>
      inStore(home, (store) => {
        const { policies } = store.judgings.get(1)!;
        const base = { projectId: 1, name: 'same', policies, prompts: { texts: ['p'] }, settings: sampling };
        const items = [0, 1].map(() => ({ prompt: 'p', firstSide: firstSide as 0 | 1 }));
        const { id } = store.judgings.add({ ...base, seed: firstSide }, items);
        for (const index of [0, 1])
          store.judgings.setOutputs(id, index, firstSide === 0 ? ['left', 'right'] : ['right', 'left']);
        return id;
      }),
    );
    const seen: unknown[][] = [];
    for (const id of views) {
      const shown = [
        await services.showJudging({ judging: id }),
        await services.vote({ judging: id, item: 0, vote: 'a' }),
        await services.showJudging({ judging: id, item: 0 }),
        await services.undoVote({ judging: id }),
        await services.prepareJudging({ judging: id }),
        (await services.listJudgings({})).judgings.find((each) => each.id === id),
        await services.vote({ judging: id, item: 1, vote: 'b' }),
      ];
      seen.push(shown.map((each) => ({ ...(each as object), id: 0, createdAt: '' })));
    }
    expect(seen[0]).toEqual(seen[1]);
    expect(seen[0]![0]).toMatchObject({ item: { answers: { a: 'left', b: 'right' } } });
    // Afterwards they are told.
    const told = await Promise.all(views.map((judging) => services.judgingResult({ judging, early: true })));
    expect(told.map(({ judged }) => judged.map(({ first }) => first))).toEqual([['a'], ['b']]);
    expect(told.map(({ statistics }) => statistics.firstWins)).toEqual([0, 1]);
  });

  it('changes votes and takes them back until the sides are told', async () => {
    const { id } = await start({ most: 3 });
    await expect(services.vote({ judging: id, item: 0, vote: 'a' })).rejects.toThrow('has no answers yet');
    await services.prepareJudging({ judging: id, ahead: 2 });
    expect(await services.showJudging({ judging: id })).toMatchObject({ ready: 2, item: { item: 0 } });
    let view: JudgingView = await services.vote({ judging: id, item: 0, vote: 'a' });
    expect(view).toMatchObject({ voted: 1, votes: ['a', null, null], item: { item: 1 } });
    view = await services.vote({ judging: id, item: 0, vote: 'tie' });
    expect(view.votes).toEqual(['tie', null, null]);
    await services.vote({ judging: id, item: 1, vote: 'b' });
    // What has no answers can be passed over.
    view = await services.vote({ judging: id, item: 2, vote: 'skip' });
    expect(view).toMatchObject({ voted: 3, item: { item: 2 } });
    view = await services.undoVote({ judging: id });
    expect(view).toMatchObject({ votes: ['tie', 'b', null], item: { item: 2, vote: null } });
    await expect(services.judgingResult({ judging: id })).rejects.toThrow('1 of 3 items');
    await services.prepareJudging({ judging: id });
    await services.vote({ judging: id, item: 2, vote: 'both-bad' });
    const result = await services.judgingResult({ judging: id });
    expect(result).toMatchObject({
      revealed: true,
      seed: 7,
      statistics: { ties: 1, bothBad: 1, unjudged: 0 },
    });
    await expect(services.vote({ judging: id, item: 0, vote: 'a' })).rejects.toThrow('votes stand');
    await expect(services.undoVote({ judging: id })).rejects.toThrow('votes stand');
    await expect(services.vote({ judging: id, item: 3, vote: 'a' })).rejects.toThrow();
  });

  it('is stopped between answers and goes on where it was', async () => {
    const { id } = await start({ prompts: { data: 'sums', side: 'all' }, seed: 3 });
    const controller = new AbortController();
    const onProgress = (event: ProgressEvent): void => {
      if (event.kind === 'progress' && event.done === 2) controller.abort(new Error('enough'));
    };
    await expect(
      services.prepareJudging({ judging: id }, { signal: controller.signal, onProgress }),
    ).rejects.toThrow('enough');
    const kept = recorded(id);
    expect(kept.filter(({ outputs }) => outputs !== null)).toHaveLength(2);
    expect(await services.prepareJudging({ judging: id })).toMatchObject({ ready: 12 });
    expect(recorded(id).slice(0, 2)).toEqual(kept.slice(0, 2));
  });

  it('refuses what cannot be judged', async () => {
    await expect(start({ policies: [{ model: 'one' }, { model: 'one' }] })).rejects.toThrow('same weights');
    await expect(start({ policies: [{ model: 'one' }, { run: 99 }] })).rejects.toThrow('there is no run 99');
    await expect(start({ prompts: { data: 'none', side: 'all' } })).rejects.toThrow(
      'no dataset of this name',
    );
    await expect(start({ prompts: { data: 'chats', side: 'eval' } })).rejects.toThrow('no split');
    await expect(start({ prompts: { texts: [' '] } })).rejects.toThrow('no prompt');
    await expect(start({ prompts: { comparison: 9 } })).rejects.toThrow('no comparison 9');
    await expect(start({ policies: [{ model: 'one' }, { model: 'plain' }], chat: true })).rejects.toThrow(
      'no chat template',
    );
    await expect(services.showJudging({ judging: 999 })).rejects.toThrow('there is no judging 999');
  });

  it('makes conversations of conversations', { timeout: 60_000 }, async () => {
    const { id } = await start({ prompts: { data: 'chats', side: 'all' }, most: 2 });
    await services.prepareJudging({ judging: id });
    const view = await services.showJudging({ judging: id });
    await expect(services.judgingToData({ judging: id })).rejects.toThrow('no vote');
    await services.vote({ judging: id, item: 0, vote: 'b' });
    const { dataset } = await services.judgingToData({ judging: id });
    expect(dataset).toMatchObject({ name: `judged-${id}`, text: 'messages', rows: 1, kind: 'preference' });
    const { row } = await services.showData({ data: dataset.name, row: 0 });
    expect(row).toMatchObject({
      tags: ['judged'],
      prompt: view.item.prompt,
      answers: {
        chosen: [{ role: 'assistant', content: view.item.answers!.b }],
        rejected: [{ role: 'assistant', content: view.item.answers!.a }],
      },
    });
  });
});

describe('judging at the command line', () => {
  it('goes from a comparison’s held-out prompts to a dataset to train on', { timeout: 240_000 }, async () => {
    await succeed(home, [
      ...['compare', '--model', 'one', '--data', 'sums', '--arms', 'dpo,minor-dpo', '--lr', '1e-3'],
      ...['--seeds', '0', '--steps', '4', '--eval-share', '0.25', '--force'],
    ]);
    const made = await succeed(home, [
      ...['judge', 'new', '--first', 'one', '--second', 'run:1', '--comparison', 1, '--temperature', 1],
      ...['--max-tokens', 12, '--seed', 5, '--json'],
    ]);
    const { id, items, ready, policies } = made.json<JudgingSummary>();
    expect([items, ready]).toEqual([3, 3]);
    expect(policies[1]!.label).toMatch(/^run 1 at step 4 \(dpo, lr 1e-3, seed 0\)$/);
    const held = inStore(home, (store) => {
      const result = store.evaluations.lastOfRun(1)!.result as { perPair: { index: number }[] };
      return result.perPair.map(({ index }) => pairs[index % 12]!.prompt);
    });
    expect(new Set(recorded(id).map(({ prompt }) => prompt))).toEqual(new Set(held));

    const shown = await succeed(home, ['judge', 'show', id]);
    expect(shown.out).toContain('--- A ---');
    expect(shown.out).not.toContain('first policy');
    for (const [item, vote] of ['a', 'b', 'tie'].entries())
      await succeed(home, ['judge', 'vote', id, item, vote]);
    await succeed(home, ['judge', 'undo', id]);
    expect((await plumbline(home, ['judge', 'result', id])).err).toContain('1 of 3 items');
    await succeed(home, ['judge', 'vote', id, 2, 'tie']);
    const { out } = await succeed(home, ['judge', 'result', id]);
    expect(out).toContain('first:  one');
    expect(out).toMatch(/votes for A: 1 of 2, 50.0%/);
    expect(out).toMatch(/ties and both bad as half: \d+\.\d% of 3/);
    expect((await succeed(home, ['judge', 'list'])).out).toMatch(/3\/3\s+3\/3\s+told/);

    const exported = (await succeed(home, ['judge', 'export', id, '--name', 'preferred'])).out;
    expect(exported).toContain('preferred: 2 pairs; 1 votes');
    const first = await succeed(home, ['data', 'show', 'preferred', '--row', 0, '--json']);
    const { item } = await services.showJudging({ judging: id, item: 0 });
    expect(first.json<{ row: unknown }>().row).toMatchObject({
      tags: ['judged'],
      prompt: item.prompt,
      answers: { chosen: item.answers!.a, rejected: item.answers!.b },
    });
    await succeed(home, [
      ...['train', '--model', 'one', '--data', 'preferred', '--loss', 'dpo', '--steps', 1],
      ...['--metrics', at('m.jsonl'), '--adapter-out', at('adapter'), '--force'],
    ]);

    expect((await succeed(home, ['judge', 'remove', id])).out).toContain('would be removed');
    await succeed(home, ['judge', 'remove', id, '--yes']);
    expect((await plumbline(home, ['judge', 'show', id])).err).toContain(`there is no judging ${id}`);
  });

  it('says what is wrong', async () => {
    const fails = async (args: readonly (string | number)[], cause: string): Promise<void> => {
      const { code, err } = await plumbline(home, args);
      expect(err).toContain(cause);
      expect(code).not.toBe(0);
    };
    const policies = ['--first', 'one', '--second', 'other'];
    await fails(['judge', 'new', ...policies], 'needs one of --data, --comparison and --prompt');
    await fails(['judge', 'new', ...policies, '--data', 'sums', '--prompt', 'p'], 'needs one of');
    await fails(['judge', 'vote', 1, 0, 'best'], '"best" is no vote');
    await fails(['judge', 'vote', 'x', 0, 'a'], 'is not the number of a judging');
    const later = await succeed(home, [
      'judge',
      'new',
      ...policies,
      '--prompt',
      'p',
      '--prompt',
      'q',
      '--later',
    ]);
    expect(later.out).toMatch(/0\/2\s+0\/2\s+hidden/);
  });
});
