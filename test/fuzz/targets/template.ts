import { loadTokenizer } from '../../../src/main/engine/tokens/tokenizer.ts';
import { renderChat } from '../../../src/main/engine/tokens/chat-template.ts';
import { fixtureBytes, fixturePath } from './support.ts';
import type { Mutator } from '../mutate.ts';
import type { Target } from '../target.ts';

const base = loadTokenizer(fixturePath('tokens'));
const seeds = [
  ...['chat_template.jinja', 'chat_template_thinking.jinja'].map((name) =>
    fixtureBytes(`tokens/${name}`).toString(),
  ),
  "{% for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m.content | trim + eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
  "{%- macro show(x, depth=0) -%}{{ x | tojson(indent=2) }}{%- endmacro -%}{% set ns = namespace(n=0, t='') %}{% for m in messages[::-1] %}{% set ns.n = ns.n + 1 %}{% set ns.t = ns.t ~ m.content %}{{ show(m) }}{% endfor %}{{ ns.t }}",
  "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{% for m in rest if m.role != 'tool' %}{{ loop.index0 ~ m.content.split('</think>')[-1].lstrip('\\n') }}{% else %}none{% endfor %}{{ raise_exception('no') if tools }}",
].map((text) => Buffer.from(text));

const values = [
  "'a'",
  "''",
  '0',
  '-1',
  '10**9',
  '2**60',
  '1e308',
  'messages',
  'messages[0]',
  'messages[0].content',
  'ns',
  'ns.a',
  '[ns.a, ns.a]',
  'i',
  'none',
  'nothing',
  'true',
  "{'a': ns.a}",
  'range(300)',
  'range(10**8)',
  'm',
  'loop',
  'eos_token',
  'namespace(a=[1])',
  'strftime_now("%B")',
];
const filters = [
  'length',
  'trim',
  'upper',
  'tojson',
  'tojson(indent=99999)',
  'indent(9999, true)',
  'join',
  "join('aaaaaaaa')",
  'list',
  'sort',
  'unique',
  'reverse',
  'string',
  'int',
  'items',
  'dictsort',
  "map(attribute='content')",
  "selectattr('role')",
  "replace('a', 'aaaaaaaaaaaaaaaa')",
  'first',
  'last',
  "default('x')",
  'safe',
  'title',
];
const methods = [
  'upper()',
  'split()',
  "split('a')",
  "replace('a', 'bbbbbbbbbbbbbbbbbbbb')",
  "replace('', 'xxxxxxxx')",
  'items()',
  'strip()',
  'content',
  '[0]',
  '[::-1]',
  '[1:99]',
  "get('a')",
  'keys()',
  "startswith('a')",
  'title()',
  'length',
];
const operators = ['~', '+', '*', '-', '/', '%', '**', '==', '!=', 'in', 'not in', 'and', 'or', '<', '//'];

function expression(mutator: Mutator, depth: number): string {
  const inner = (): string => expression(mutator, depth - 1);
  if (depth <= 0 || mutator.chance(0.2)) return mutator.pick(values);
  switch (mutator.random.below(6)) {
    case 0:
      return `${inner()}|${mutator.pick(filters)}`;
    case 1: {
      const method = mutator.pick(methods);
      return `(${inner()})${method.startsWith('[') ? '' : '.'}${method}`;
    }
    case 2:
      return `[${inner()}, ${inner()}]`;
    case 3:
      return `f(${inner()}, ${inner()})`;
    case 4:
      return `(${inner()} if ${inner()} else ${inner()})`;
    default:
      return `(${inner()} ${mutator.pick(operators)} ${inner()})`;
  }
}

function statements(mutator: Mutator, depth: number): string {
  const value = (): string => expression(mutator, 1 + mutator.random.below(4));
  let text = '';
  for (let left = 1 + mutator.random.below(3); left > 0; left--) {
    const body = (): string => (depth > 0 ? statements(mutator, depth - 1) : '{{ ns.a }}');
    switch (mutator.random.below(8)) {
      case 0:
      case 1:
        text += `{% for i in ${mutator.chance(0.5) ? `range(${mutator.pick([3, 50, 2000, 10 ** 7])})` : value()} %}${body()}{% endfor %}`;
        break;
      case 2:
      case 3:
        text += `{% set ns.a = ${mutator.pick(['ns.a ~ ns.a', 'ns.a + ns.a', '[ns.a, ns.a]', value(), value()])} %}`;
        break;
      case 4:
        text += `{% if ${value()} %}${body()}{% else %}${body()}{% endif %}`;
        break;
      case 5:
        text += `{% macro f(x, y=1) %}${body()}{{ ${mutator.pick(['x', 'f(x, y)', 'f(y)', value()])} }}{% endmacro %}`;
        break;
      case 6:
        text += `{% call f(1) %}${body()}{% endcall %}{% filter ${mutator.pick(filters)} %}${body()}{% endfilter %}`;
        break;
      default:
        text += `{{ ${value()} }}`;
    }
  }
  return text;
}

const conversation = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'aaaa What is 2 + 2?\n' },
  { role: 'assistant', content: '<think>hm</think>4' },
];

export const template: Target = {
  name: 'template',
  prepare(mutator) {
    let chatTemplate: string;
    if (mutator.chance(0.6)) chatTemplate = `{% set ns = namespace(a='aaaaaaaa') %}${statements(mutator, 3)}`;
    else chatTemplate = mutator.bytes(mutator.pick(seeds), seeds).toString();
    if (mutator.chance(0.02))
      chatTemplate += mutator
        .pick([' ', '{% if 1 %}', '{{ (', '{# ', '{{ -', "{{ 'a'|upper", '\n\t'])
        .repeat(mutator.pick([100, 5000, 60_000]));
    return () => renderChat({ ...base, chatTemplate }, conversation);
  },
};
