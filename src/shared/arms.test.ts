import { describe, expect, it } from 'vitest';
import { armFolder, armName, armText, parseArm } from './arms.ts';
import { UsageError } from './errors.ts';
import { armLabel, describeLoss, lossNames } from './losses.ts';

describe('an arm', () => {
  it('is a loss with all of its parameters, those that are not said at their defaults', () => {
    expect(parseArm('dpo')).toEqual({ loss: 'dpo' });
    expect(parseArm('kappa-dpo')).toEqual({ loss: 'kappa-dpo', lossParameters: { kappa: 0.5 } });
    expect(parseArm('kappa-dpo:kappa=0.25')).toEqual({ loss: 'kappa-dpo', lossParameters: { kappa: 0.25 } });
    expect(parseArm('dpop:lambda=5e1')).toEqual({ loss: 'dpop', lossParameters: { lambda: 50 } });
  });

  it('has one name, however it is written, which reads back as itself', () => {
    for (const written of ['kappa-dpo', 'kappa-dpo:kappa=0.5', 'kappa-dpo:kappa=.5', 'kappa-dpo:kappa=5e-1'])
      expect(armText.parse(written)).toBe('kappa-dpo:kappa=0.5');
    for (const loss of lossNames) {
      const name = armName(parseArm(loss));
      expect(armName(parseArm(name))).toBe(name);
      if (describeLoss(loss).parameters === undefined) expect(name).toBe(loss);
    }
    // Values that a decimal fraction does not hold.
    for (const kappa of [0.1 + 0.2, 1 / 3, 1e-7]) {
      const arm = { loss: 'kappa-dpo', lossParameters: { kappa } } as const;
      expect(parseArm(armName(arm))).toEqual(arm);
    }
  });

  it('has words for people', () => {
    expect(['dpo', 'kappa-dpo:kappa=0.25', 'sft', 'base', 'ppo:x=1'].map(armLabel)).toEqual([
      'DPO',
      `${describeLoss('kappa-dpo').label} κ = 0.25`,
      'SFT',
      'base',
      'ppo:x=1',
    ]);
  });

  it.each([
    ['ppo', 'must be one of dpo, minor-dpo'],
    ['', 'must be one of'],
    ['dpo:kappa=0.5', 'dpo has no parameter kappa; it has none'],
    ['cdpo:kappa=0.5', 'cdpo has no parameter kappa; it has epsilon'],
    ['kappa-dpo:kappa=1.5', 'kappa must be 1 or less, not 1.5'],
    ['kappa-dpo:kappa=-0.1', 'kappa must be 0 or more, not -0.1'],
    ['robust:epsilon=0.5', 'epsilon must be below 0.5, not 0.5'],
    ['kappa-dpo:kappa', 'must be a parameter and a number'],
    ['kappa-dpo:kappa=much', 'must be a parameter and a number'],
    ['kappa-dpo:kappa=0x1', 'must be a parameter and a number'],
    ['kappa-dpo:kappa=0.1:kappa=0.2', 'names kappa twice'],
    ['kappa-dpo:', 'must be a parameter and a number'],
  ])('refuses "%s"', (text, message) => {
    expect(() => parseArm(text)).toThrow(UsageError);
    expect(() => parseArm(text)).toThrow(message);
    expect(armText.safeParse(text).success).toBe(false);
  });

  it('has a name for folders that every system can hold', () => {
    expect(armFolder('kappa-dpo:kappa=0.25')).toBe('kappa-dpo-kappa0.25');
    for (const loss of lossNames) expect(armFolder(armName(parseArm(loss)))).toMatch(/^[\w.+-]+$/);
  });
});
