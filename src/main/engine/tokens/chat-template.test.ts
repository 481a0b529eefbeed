import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../shared/errors.ts';
import { formatTime, renderChat, tokenizeChat } from './chat-template.ts';
import { loadTokenizer } from './tokenizer.ts';

const tokenizer = loadTokenizer(
  fileURLToPath(new URL('../../../../test/parity/fixtures/tokens/', import.meta.url)),
);
const user = { role: 'user', content: 'Hi' };

function render(chatTemplate: string): string {
  return renderChat({ ...tokenizer, chatTemplate }, [user]);
}

describe('renderChat', () => {
  // Expected by Jinja's own rules for trim_blocks, lstrip_blocks and the one newline dropped at a template's end.
  it.each([
    ['{% if true %}\nx\n{% endif %}\ny\n', 'x\ny'],
    ['a\n   {% if true %}\n  b\n   {% endif %}\nc', 'a\n  b\nc'],
    ['a\r\n{% if true %}\r\nb{% endif %}', 'a\nb'],
    ['{# note #}\nx', 'x'],
    ['{{ bos_token }}{{ eos_token }}{{ pad_token }}', '<|start|><|end|><|pad|>'],
    ["{{ 'a' if tools is none }}{{ 'b' if add_generation_prompt }}{{ 'c' if nothing is defined }}", 'a'],
    ['{% for n in range(3) %}{{ n }}{% endfor %}{% for n in range(5, 1, -2) %}{{ n }}{% endfor %}', '01253'],
    [
      '{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}',
      '1',
    ],
    ["{{ strftime_now('%Y') | length }}", '4'],
  ])('%j', (template, text) => {
    expect(render(template)).toBe(text);
  });

  it('refuses what the template refuses, a broken template, a missing one and an empty conversation', () => {
    const odd = [{ role: 'wizard', content: 'x' }];
    expect(() => renderChat(tokenizer, odd)).toThrow(/chat template: unknown role: wizard$/);
    expect(() => renderChat(tokenizer, odd)).toThrow(InputError);
    expect(() => render('{% if %}')).toThrow(InputError);
    const plain = { ...tokenizer };
    delete plain.chatTemplate;
    expect(() => renderChat(plain, [user])).toThrow(/the model has no chat template/);
    expect(() => renderChat(tokenizer, [])).toThrow(/at least one message/);
  });
});

describe('tokenizeChat', () => {
  it('adds no special tokens beside those of the template', () => {
    expect(tokenizeChat({ ...tokenizer, chatTemplate: '{{ eos_token }}' }, [user])).toEqual([2]);
  });
});

describe('formatTime', () => {
  it('writes times as Python does', () => {
    // datetime(2024, 7, 4, 15, 6, 9).strftime(…) in Python.
    const time = new Date(2024, 6, 4, 15, 6, 9);
    expect(formatTime(time, '%d %b %Y, %A %B %H:%M:%S %a %y %p %%')).toBe(
      '04 Jul 2024, Thursday July 15:06:09 Thu 24 PM %',
    );
  });
});
