import { describe, expect, it } from 'vitest';
import { splitImplicitPrompt } from './implicit-prompt.ts';

// Expected values: `trl.data_utils.extract_prompt`, except where said.
describe('splitImplicitPrompt', () => {
  it.each([
    ['The sky is blue.', 'The sky is green.', 'The sky is', ' blue.', ' green.'],
    ['The answer is 12', 'The answer is 13', 'The answer is 1', '2', '3'],
    ['A prefix', 'A prefix and more', 'A prefi', 'x', 'x and more'],
    ['Longer than the other', 'Longer than', 'Longer tha', 'n the other', 'n'],
    ['double  space a', 'double  space b', 'double  space', ' a', ' b'],
    ['Planet: 🌍', 'Planet: 🌎', 'Planet:', ' 🌍', ' 🌎'],
    ['🌍🌍', '🌍🌎', '🌍', '🌍', '🌎'],
    ['Planet 🌍', 'Planet 🌍🌍', 'Planet ', '🌍', '🌍🌍'],
    ['x', 'y', '', 'x', 'y'],
    ['x', 'xy', '', 'x', 'xy'],
  ])('%j, %j', (chosen, rejected, prompt, chosenAnswer, rejectedAnswer) => {
    expect(splitImplicitPrompt(chosen, rejected)).toEqual({
      prompt,
      chosen: chosenAnswer,
      rejected: rejectedAnswer,
    });
  });

  it('leaves texts whole that share nothing, where TRL would keep their last characters only', () => {
    expect(splitImplicitPrompt('x ', 'yz')).toEqual({ prompt: '', chosen: 'x ', rejected: 'yz' });
  });

  it('splits conversations by message', () => {
    const [system, user, yes, no] = [
      { role: 'system', content: 's' },
      { role: 'user', content: 'u' },
      { role: 'assistant', content: 'yes' },
      { role: 'assistant', content: 'no' },
    ];
    expect(splitImplicitPrompt([system, user, yes], [system, user, no])).toEqual({
      prompt: [system, user],
      chosen: [yes],
      rejected: [no],
    });
    // One the beginning of the other: the last message goes to the answers.
    const split = splitImplicitPrompt([user, yes], [user, yes, user, no]);
    expect(split).toEqual({ prompt: [user], chosen: [yes], rejected: [yes, user, no] });
  });
});
