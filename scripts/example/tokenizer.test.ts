import { Tokenizer } from '@huggingface/tokenizers';
import { Template } from '@huggingface/jinja';
import { describe, expect, it } from 'vitest';
import { makeProblems, vocabularyTexts } from './problems.ts';
import { endToken, makeTokenizer } from './tokenizer.ts';

const made = makeTokenizer(vocabularyTexts());
const tokenizer = new Tokenizer(made.tokenizer, made.config);
const problems = makeProblems(3, { sft: 500, pairs: 200, eval: 100, test: 100 });

const encode = (text: string): number[] => tokenizer.encode(text, { add_special_tokens: false }).ids;
const decode = (ids: number[]): string => tokenizer.decode(ids, { skip_special_tokens: false });

describe('the example tokenizer', () => {
  it('takes each word and each small number of a problem as one token, larger numbers by digit', () => {
    const pieces = encode('Ana has 12 apples.\n7*5=35\n#### 1350').map((id) => tokenizer.id_to_token(id));
    // Written by hand: Ġ is a space, Ċ a newline (GPT-2's byte alphabet).
    expect(pieces).toEqual('Ana Ġhas Ġ 12 Ġapples . Ċ 7 * 5 = 35 Ċ #### Ġ 1 3 5 0'.split(' '));
  });

  it('keeps every problem below 30 tokens of question and 18 of solution', () => {
    for (const problem of Object.values(problems).flat()) {
      expect(encode(problem.prompt).length).toBeLessThan(30);
      expect(encode(problem.solution).length).toBeLessThan(18);
    }
  });

  it('keeps the boundary: prompt and solution tokenise alone as they do together', () => {
    for (const { prompt, solution } of problems.test) {
      expect(encode(prompt + solution)).toEqual([...encode(prompt), ...encode(solution)]);
    }
  });

  it.each([
    ['Ana has 12 apples.\n7*5=35\n#### 35'],
    ['  two  spaces, a\ttab and\n\nlines '],
    ['words it never saw: Zürich, naïve, 東京, 🙂, ½'],
    ["it's 'quoted', 3.14 and 1,234"],
  ])('gives %j back exactly', (text) => {
    expect(decode(encode(text))).toBe(text);
  });

  it('needs no more than one token for any number of a problem', () => {
    for (const problem of Object.values(problems).flat()) {
      for (const number of (problem.prompt + problem.solution).match(/\d+/g)!) {
        expect(encode(number)).toHaveLength(1);
      }
    }
  });

  it('has the end token as one piece', () => {
    expect(encode(endToken)).toEqual([made.endId]);
  });

  it('renders a chat as the training texts are written', () => {
    const template = new Template((made.config as { chat_template: string }).chat_template);
    const messages = [
      { role: 'user', content: 'Ana has 2 pens?' },
      { role: 'assistant', content: '#### 2' },
    ];
    expect(template.render({ messages: messages.slice(0, 1), add_generation_prompt: true })).toBe(
      'Ana has 2 pens?\n',
    );
    expect(template.render({ messages })).toBe(`Ana has 2 pens?\n#### 2${endToken}`);
  });
});
