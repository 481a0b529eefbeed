import { describe, expect, it } from 'vitest';
import { methods } from '../../shared/app/methods.ts';
import { blankDraft, checkDraft, draftOf, listOf, paramsOf, presets, type Draft } from './experiment.ts';

const draft = (changes: Partial<Draft> = {}): Draft => ({
  ...blankDraft,
  model: 'small',
  data: 'pairs',
  ...changes,
});

describe('an experiment being set up', () => {
  it('is a request that the host takes, for every preset', () => {
    for (const { name, fields } of presets) {
      const { problems, work, runs } = checkDraft(draft(fields), 'preference');
      expect(problems, name).toEqual({});
      expect(methods.startWork.safeParse({ work, begin: true }).success, name).toBe(true);
      const { arms = '', lr = '', beta = '', seeds = '', sft } = fields;
      const count = (text: string): number => Math.max(1, listOf(text).length);
      const stages = sft === 'on' ? count(seeds) : 0;
      expect(runs, name).toBe(count(arms) * count(lr) * count(beta) * count(seeds) + stages);
    }
  });

  it('trains a loss without β once, whatever β the others take', () => {
    // Two rates: dpo at two β each, sft once each.
    expect(checkDraft(draft({ arms: 'dpo sft', lr: '1e-6;1e-5', beta: '0.1, 0.5' }), 'preference').runs).toBe(
      6,
    );
  });

  it('says at each field what is wrong with it', () => {
    const wrong = {
      lr: '1e-5, fast',
      beta: '0',
      seeds: '1 1',
      arms: 'dpo kto',
      warmup: '1.5',
      model: ' ',
      heldShare: '1',
    };
    const { problems, work } = checkDraft(draft(wrong), 'preference');
    expect(work).toBeUndefined();
    expect(Object.keys(problems).sort()).toEqual(Object.keys(wrong).sort());
    expect(problems.lr).toMatch(/number/);
    expect(problems.seeds).toBe('names 1 twice');
    expect(problems.arms).toContain('"kto"');
  });

  it('takes a dataset of completions for fine-tuning alone', () => {
    expect(checkDraft(draft(), 'completion').problems.arms).toContain('dpo and minor-dpo need pairs');
    const { work } = checkDraft(draft({ arms: 'sft', lr: '1e-5' }), 'completion');
    expect(work).toMatchObject({
      kind: 'training',
      request: { config: { loss: 'sft', learningRate: 1e-5, seed: 0 } },
    });
    expect(JSON.stringify(work)).not.toContain('eval');
    expect(checkDraft(draft({ arms: 'sft', seeds: '0,1' }), 'completion').problems.whole).toMatch(/one seed/);
  });

  it('says what is measured, and how often', () => {
    const asked = checkDraft(
      draft({ klPrompts: '8', evalKlPrompts: '2', samplePrompts: '0', sampleTokens: '16' }),
      'preference',
    );
    expect(asked.work!.request).toMatchObject({
      driftPrompts: 8,
      shared: { evalEvery: 0.1, evalKlPrompts: 2, samplePrompts: 0, sampleTokens: 16 },
    });
    const asking = checkDraft(draft({ task: 'questions', evalQuestions: '20' }), 'preference');
    expect(asking.work!.request).toMatchObject({ task: { data: 'questions', tokens: 256, onTheWay: 20 } });
    expect(methods.startWork.safeParse({ work: asking.work, begin: true }).success).toBe(true);
    // Without evaluations on the way there is nothing to say of them.
    const atTheEnd = checkDraft(draft({ evalEvery: '', klPrompts: '0' }), 'preference');
    expect(atTheEnd.problems).toEqual({});
    expect(atTheEnd.work!.request).toMatchObject({ driftPrompts: 0 });
    expect(JSON.stringify(atTheEnd.work)).not.toMatch(/sample|evalKl/);
    expect(checkDraft(draft({ klPrompts: '-1', evalKlPrompts: 'x' }), 'preference').problems).toEqual({
      klPrompts: 'must be 0 or more, not -1',
      evalKlPrompts: 'must be a number',
    });
  });

  it('takes steps instead of epochs, the bare model as reference, and the data in its own order', () => {
    const { work } = checkDraft(
      draft({ sft: 'on', sftSteps: '20', reference: 'base', shuffle: 'off' }),
      'preference',
    );
    expect(work!.request).toMatchObject({
      sftFirst: { steps: 20 },
      shared: { reference: 'base', shuffle: false },
    });
    expect(JSON.stringify(work)).not.toContain('"sftFirst":{"learningRate":0.00001,"epochs"');
  });

  it('stands in an address, as far as it differs from a blank one', () => {
    const changes = { lr: '1e-4', beta: '0.1', seeds: '0' };
    expect(paramsOf(changes)).toEqual({ lr: '1e-4', beta: '0.1', seeds: null });
    expect(draftOf({ lr: '1e-4', beta: '0.1', tab: 'new' })).toEqual({
      ...blankDraft,
      lr: '1e-4',
      beta: '0.1',
    });
  });
});
