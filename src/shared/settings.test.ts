import { describe, expect, it } from 'vitest';
import {
  parseSetting,
  settingDefaults,
  settingDescriptions,
  settingNames,
  settingSchemas,
} from './settings.ts';

describe('settings', () => {
  it('have a description each, and defaults that pass their own checks', () => {
    expect(Object.keys(settingDescriptions)).toEqual(settingNames);
    expect(Object.keys(settingDefaults)).toEqual(settingNames);
    for (const name of settingNames) {
      expect(settingSchemas[name].parse(settingDefaults[name])).toBe(settingDefaults[name]);
    }
  });

  it('are read from what a person types', () => {
    expect(parseSetting('runsAtOnce', '3')).toEqual({ value: 3 });
    expect(parseSetting('threads', 'none')).toEqual({ value: null });
    expect(parseSetting('keepBestBy', 'none')).toEqual({ value: null });
    expect(parseSetting('keepBestBy', 'eval_loss')).toEqual({ value: 'eval_loss' });
    expect(parseSetting('keepBestBy', '3')).toEqual({ value: '3' });
    expect(parseSetting('keepAwake', 'false')).toEqual({ value: false });
    expect(parseSetting('priority', 'normal')).toEqual({ value: 'normal' });
    expect(parseSetting('runsAtOnce', '0')).toEqual({ problem: 'must be at least 1' });
    expect(parseSetting('runsAtOnce', '1.5')).toEqual({ problem: 'must be a whole number' });
    expect(parseSetting('runsAtOnce', 'none')).toEqual({ problem: 'must be a number' });
    expect(parseSetting('keepAwake', 'yes')).toEqual({ problem: 'must be true or false' });
    expect(parseSetting('priority', 'high')).toEqual({ problem: 'must be normal or low' });
  });
});
