import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { InputError } from '../../../shared/errors.ts';
import { renderChat } from './chat-template.ts';
import { loadTokenizer } from './tokenizer.ts';

const tokenizer = loadTokenizer(
  fileURLToPath(new URL('../../../../test/parity/fixtures/tokens/', import.meta.url)),
);

function render(chatTemplate: string, messages = [{ role: 'user', content: 'Hi' }]): string {
  return renderChat({ ...tokenizer, chatTemplate }, messages);
}

const doubled = (operator: string): string =>
  `{% set ns = namespace(a='x') %}{% for i in range(99) %}{% set ns.a = ns.a ${operator} ns.a %}{% endfor %}`;
const nested =
  "{% set ns = namespace(a=['x']) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a, ns.a] %}{% endfor %}";
const long = "{% set s = 'x'|indent(4000000, true) %}";

it.each([
  '{% for i in range(10**9) %}{% endfor %}',
  '{% for i in range(0, 1, 0.000000001) %}{% endfor %}',
  '{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}',
  '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
  '{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}',
  '{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns.a|tojson }}',
  doubled('~') + '{{ ns.a }}',
  doubled('+') + '{{ ns.a }}',
  nested + '{{ ns.a }}',
  nested + '{{ ns.a|tojson }}',
  nested + '{{ ns.a|string }}',
  nested + "{{ ns.a|join('') }}",
  nested + "{{ ns.a == 'x' }}",
  nested + "{{ ns.a ~ 'x' }}",
  "{{ 'x'|indent(10**9, true) }}",
  '{{ [[1]]|tojson(indent=10**9) }}',
  long + "{{ s.replace(' ', s) }}",
  long + "{{ s.split(' ')|length }}",
  long + '{{ s[::-1] }}',
  long + '{% set n = namespace([s]) %}',
  long + "{% for i in range(9999) %}{% set t = s ~ i %}{{ t in 'x' }}{% endfor %}",
  "{% for i in range(999999) %}{{ strftime_now('%B') }}{% endfor %}",
  ' '.repeat(200_000) + 'x',
  'x'.repeat(300_000),
  '{{ ' + '('.repeat(100_000),
])('bounds %.70s', (template) => {
  expect(() => render(template)).toThrow(InputError);
  expect(() => render(template)).toThrow(/chat template/);
});

it('leaves room for long conversations and for templates that walk them again and again', () => {
  const contents = Array.from({ length: 300 }, (_, at) => `${at} ${'word '.repeat(500)}`);
  const messages = contents.map((content) => ({ role: 'user', content }));
  const plain = '{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}\n{% endfor %}';
  expect(render(plain, messages)).toBe(contents.map((content) => `<user>${content.trim()}\n`).join(''));
  const gathered =
    '{% set ns = namespace(text="") %}{% for m in messages %}{% set ns.text = ns.text + m.content %}{% endfor %}{{ ns.text }}';
  expect(render(gathered, messages)).toBe(contents.join(''));
  const squared =
    '{% for m in messages %}{% set ns = namespace(n=0) %}{% for o in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }} {% endfor %}';
  expect(render(squared, messages)).toBe('300 '.repeat(300));
  const searched =
    '{% for m in messages %}{{ m.content.split("</think>")[-1].replace("word", "w")|length }} {% endfor %}';
  expect(render(searched, messages)).toBe(contents.map((content) => `${content.length - 3 * 500} `).join(''));
});
