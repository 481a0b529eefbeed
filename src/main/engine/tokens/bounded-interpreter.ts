import { Environment, Interpreter } from '@huggingface/jinja';

/** The work a rendering may do and the text it may make; see `allowance`. */
export interface Allowance {
  /** One unit is a node evaluated, a list item made or 16 characters made: about 0.1 µs and 100 bytes. */
  readonly work: number;
  /** Characters of any one text. */
  readonly characters: number;
}

/**
 * What a template may use on a conversation: counted, not timed, so that the same rendering passes on every machine. Real
 * templates use under 200 units a message and one for 16 characters; the rest is room for those that walk the
 * conversation again for every message.
 */
export function allowance(messages: number, characters: number): Allowance {
  return { work: 500_000 + 5_000 * messages + 4 * characters, characters: 2 ** 22 + 4 * characters };
}

/** Thrown when a rendering wants more than its allowance. */
export class AllowanceError extends Error {
  override readonly name = 'AllowanceError';
}

/** Counts the work of one rendering down. */
export class Budget {
  #work: number;
  readonly #characters: number;

  constructor({ work, characters }: Allowance) {
    this.#work = work;
    this.#characters = characters;
  }

  /** @throws AllowanceError where the work is used up, or is no number */
  spend(work: number): void {
    this.#work -= work;
    if (!(this.#work >= 0)) throw new AllowanceError('it loops too long or makes too much text');
  }

  /** A text of this length is made or looked through. */
  spendText(length: number): void {
    this.limitText(length);
    this.spend(length / 16);
  }

  /** A text has grown to this length. */
  limitText(length: number): void {
    if (!(length <= this.#characters)) throw new AllowanceError('it makes too long a text');
  }
}

type Program = Parameters<Interpreter['run']>[0];
type Scope = Environment;

/** A value of the interpreter: text, number, list (`value` an array), mapping (`value` a Map), function. */
interface Value {
  readonly type: string;
  readonly value: unknown;
}
interface FunctionValue extends Value {
  value: (args: Value[], scope: Scope) => Value;
}
interface Node {
  readonly type: string;
  readonly [part: string]: unknown;
}
type Arguments = [positional: Value[], named: Map<string, Value>];

/** The parts of the library's interpreter that are wrapped here. */
interface Parts {
  run(program: Program): Value;
  evaluate(node: Node | undefined, scope: Scope): Value;
  evaluateArguments(args: readonly Node[], scope: Scope): Arguments;
  evaluateBinaryExpression(node: Node, scope: Scope): Value;
  applyFilter(operand: Value, filter: Node, scope: Scope): Value;
  evaluateSliceExpression(object: Value, node: Node, scope: Scope): Value;
  evaluateMemberExpression(node: Node, scope: Scope): Value;
  evaluateIdentifier(node: Node, scope: Scope): Value;
  evaluateBlock(nodes: readonly Node[], scope: Scope): Value;
  evaluateFor(node: Node, scope: Scope): Value;
  evaluateMacro(node: Node, scope: Scope): Value;
  evaluateCallStatement(node: Node, scope: Scope): Value;
}
const Base = Interpreter as unknown as new (environment: Environment) => Parts;

/** A node that stands for a value found already. */
const evaluated = 'Evaluated';
const deepest = 500;

/**
 * The library's interpreter, within a budget: every node evaluated is counted, and what an operation will make is paid
 * for before the operation runs, so that neither time nor memory can run away inside one.
 */
export class BoundedInterpreter extends Base {
  readonly #budget: Budget;
  #depth = 0;
  /** The filter whose arguments come next. */
  #filter: { readonly name: string; readonly operand: Value } | undefined;

  constructor(environment: Environment, budget: Budget) {
    super(environment);
    this.#budget = budget;
  }

  override evaluate(node: Node | undefined, scope: Scope): Value {
    if (node?.type === evaluated) return node['value'] as Value;
    this.#budget.spend(1);
    if (this.#depth > deepest) throw new AllowanceError('it nests too deeply');
    this.#depth += 1;
    try {
      return super.evaluate(node?.type === 'ObjectLiteral' ? this.#keysEvaluated(node, scope) : node, scope);
    } finally {
      this.#depth -= 1;
    }
  }

  /** A mapping's keys are looked at when they are stored. */
  #keysEvaluated(node: Node, scope: Scope): Node {
    const entries = new Map<Node, Node>();
    for (const [key, value] of node['value'] as ReadonlyMap<Node, Node>) {
      const found = this.evaluate(key, scope);
      this.#budget.spend(textLength(found.value) / 16);
      entries.set(stand(found), value);
    }
    return { ...node, value: entries };
  }

  override evaluateBinaryExpression(node: Node, scope: Scope): Value {
    const operator = (node['operator'] as { value: string }).value;
    if (operator === 'and' || operator === 'or') return super.evaluateBinaryExpression(node, scope);
    const left = this.evaluate(node['left'] as Node, scope);
    const right = this.evaluate(node['right'] as Node, scope);
    if (operator === 'in' || operator === 'not in') {
      if (Array.isArray(right.value)) this.#budget.spend(right.value.length / 8);
      else this.#spendSearch(right, left);
    } else if (operator === '+' && Array.isArray(left.value) && Array.isArray(right.value)) {
      this.#budget.spend((left.value.length + right.value.length) / 8);
    } else if (operator === '==' || operator === '!=') {
      // JavaScript's own comparison: a list compared with a text is written out first.
      if (Array.isArray(left.value) !== Array.isArray(right.value)) this.#writeOut(left, right);
      else this.#budget.spend(Math.min(textLength(left.value), textLength(right.value)) / 16);
    } else if (typeof left.value === 'string' && typeof right.value === 'string') {
      // The runtime joins without copying; who looks at the characters pays for them.
      const [one, other] = [left.value.length, right.value.length];
      this.#budget.limitText(one + other);
      this.#budget.spend(Math.min(one, other) / 16);
    } else if (operator === '~' || typeof left.value === 'string' || typeof right.value === 'string') {
      this.#writeOut(left, right);
    }
    return super.evaluateBinaryExpression({ ...node, left: stand(left), right: stand(right) }, scope);
  }

  override evaluateArguments(args: readonly Node[], scope: Scope): Arguments {
    const filter = this.#filter;
    this.#filter = undefined;
    const result = super.evaluateArguments(args, scope);
    if (filter !== undefined) this.#spendCall(filter.name, filter.operand, ...result);
    return result;
  }

  override applyFilter(operand: Value, filter: Node, scope: Scope): Value {
    if (filter.type === 'CallExpression') {
      const name = String((filter['callee'] as Node)['value']);
      this.#filter = { name, operand };
    } else {
      this.#spendCall(String(filter['value']), operand, [], new Map());
    }
    try {
      return super.applyFilter(operand, filter, scope);
    } finally {
      this.#filter = undefined;
    }
  }

  override evaluateSliceExpression(object: Value, node: Node, scope: Scope): Value {
    if (typeof object.value === 'string') this.#budget.spend(object.value.length / 4);
    else if (Array.isArray(object.value)) this.#budget.spend(object.value.length / 8);
    return super.evaluateSliceExpression(object, node, scope);
  }

  override evaluateMemberExpression(node: Node, scope: Scope): Value {
    const object = this.evaluate(node['object'] as Node, scope);
    // A text's table of methods is made anew for every text.
    if (typeof object.value === 'string') this.#budget.spend(8 + object.value.length / 16);
    let property = node['property'] as Node;
    if (node['computed'] === true && property.type !== 'SliceExpression') {
      const key = this.evaluate(property, scope);
      this.#budget.spend(textLength(key.value) / 16);
      property = stand(key);
    }
    const member = super.evaluateMemberExpression({ ...node, object: stand(object), property }, scope);
    if (member.type !== 'FunctionValue' || object.type === 'NamespaceValue') return member;
    const own = member as FunctionValue;
    const name = String(
      (property.type === evaluated ? (property['value'] as Value) : property)['value' as never],
    );
    return paidFor(own, (args) => {
      this.#spendCall(name, object, args, new Map());
    });
  }

  override evaluateIdentifier(node: Node, scope: Scope): Value {
    const value = super.evaluateIdentifier(node, scope);
    if (node['value'] !== 'namespace' || value.type !== 'FunctionValue') return value;
    // It takes pairs, and cuts a text into its characters.
    return paidFor(value as FunctionValue, ([pairs]) => {
      if (!Array.isArray(pairs?.value)) return;
      for (const pair of pairs.value as Value[]) this.#budget.spend(textLength(pair.value));
    });
  }

  override evaluateBlock(nodes: readonly Node[], scope: Scope): Value {
    this.#budget.spend(4);
    let text = '';
    for (const node of nodes) {
      const value = this.evaluate(node, scope);
      if (value.type === 'NullValue' || value.type === 'UndefinedValue') continue;
      this.#writeOut(value);
      text += (value as { toString(): string }).toString();
      this.#budget.limitText(text.length);
    }
    return super.evaluateBlock(
      [stand({ type: 'StringValue', value: text, toString: () => text } as Value)],
      scope,
    );
  }

  override evaluateFor(node: Node, scope: Scope): Value {
    const iterable = node['iterable'] as Node;
    const selects = iterable.type === 'SelectExpression';
    const list = this.evaluate(selects ? (iterable['lhs'] as Node) : iterable, new Environment(scope));
    const { value } = list;
    // A scope is made for each item before the first is rendered.
    this.#budget.spend(12 * (Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0));
    const bound = selects ? { ...iterable, lhs: stand(list) } : stand(list);
    return super.evaluateFor({ ...node, iterable: bound }, scope);
  }

  override evaluateMacro(node: Node, scope: Scope): Value {
    this.#budget.spend(size(node));
    return super.evaluateMacro(node, scope);
  }

  override evaluateCallStatement(node: Node, scope: Scope): Value {
    this.#budget.spend(size(node));
    return super.evaluateCallStatement(node, scope);
  }

  /** Pays for a filter or method: what it reads, and what it may make. */
  #spendCall(name: string, object: Value, args: readonly Value[], named: ReadonlyMap<string, Value>): void {
    const last = args.at(-1);
    const keywords =
      last?.type === 'KeywordArgumentsValue' ? (last.value as ReadonlyMap<string, Value>) : named;
    const argument = (at: number, key: string): unknown => (args[at] ?? keywords.get(key))?.value;
    const { value } = object;
    if (name === 'startswith' || name === 'endswith') this.#budget.spend(textLength(value) / 16);
    if (cheap.has(name)) return;
    if (name === 'tojson') {
      const indent = Number(keywords.get('indent')?.value ?? 0);
      const separators = keywords.get('separators')?.value;
      const extra = Array.isArray(separators)
        ? (separators as Value[]).reduce((sum, part) => sum + textLength(part.value), 0)
        : 0;
      this.#spendJson(object, indent, extra);
    } else if (typeof value === 'string') {
      // Some change every character for up to three, or make a text of each.
      this.#budget.spendText(value.length);
      if (name === 'replace') {
        this.#spendSearch(object, args[0]);
        const [old, replacement] = [textLength(args[0]?.value), textLength(args[1]?.value)];
        this.#budget.spendText((value.length / Math.max(1, old) + 1) * replacement);
        this.#budget.spend(value.length / Math.max(1, old));
      } else if (name === 'split') {
        this.#spendSearch(object, args[0]);
        const separator = args[0]?.value;
        this.#budget.spend(
          value.length / (typeof separator === 'string' ? Math.max(1, separator.length) : 2),
        );
      } else if (name === 'indent') {
        const width = Number(argument(0, 'width') ?? 4);
        this.#budget.spendText(Math.max(0, width) * (countLines(value) + 1));
      } else if (name === 'join') {
        this.#budget.spend(value.length / 4);
        this.#budget.spendText(value.length * (1 + textLength(argument(0, 'separator'))));
      }
    } else if (Array.isArray(value)) {
      this.#budget.spend(value.length);
      if (name === 'join') {
        this.#budget.spendText(value.length * textLength(argument(0, 'separator')));
        for (const item of value as Value[]) this.#spendJson(item, 0, 0);
      } else if (name === 'string') this.#spendJson(object, 0, 0);
      else if (name === 'sort') {
        const steps = Math.ceil(Math.log2(value.length + 2));
        for (const item of value as Value[])
          this.#budget.spend(
            steps * (1 + textLength(item.value) / 16 + textLength(argument(2, 'attribute'))),
          );
      } else if (name === 'map')
        this.#budget.spend(value.length * textLength(keywords.get('attribute')?.value));
      else if (name === 'unique')
        for (const item of value as Value[]) this.#budget.spend(textLength(item.value) / 16);
    } else if (value instanceof Map) {
      this.#budget.spend(4 * value.size);
    }
  }

  /** Pays for looking for one text in another. */
  #spendSearch(text: Value, part: Value | undefined): void {
    const [length, width] = [textLength(text.value), textLength(part?.value)];
    this.#budget.spend(length / 16 + (width > 16 ? (length * width) / 1024 : 0));
  }

  /** Pays for the text of the values joined: lists and mappings are written out as JSON. */
  #writeOut(...values: readonly Value[]): void {
    let length = 0;
    for (const value of values) {
      if (typeof value.value === 'object' && value.value !== null) this.#spendJson(value, 0, 0);
      else length += textLength(value.value);
    }
    // Short texts are part of the nodes that made them.
    if (length > 1024) this.#budget.spendText(length);
  }

  /** Pays for a value as JSON, nested as it is: what stands in it twice is written twice. */
  #spendJson(value: Value, indent: number, separators: number, depth = 0): void {
    if (depth > deepest) throw new AllowanceError('it nests too deeply');
    this.#budget.spend(
      1 + (textLength(value.value) * 6 + separators + Math.max(0, indent) * (depth + 1)) / 16,
    );
    if (Array.isArray(value.value)) {
      for (const item of value.value as Value[]) this.#spendJson(item, indent, separators, depth + 1);
    } else if (value.value instanceof Map) {
      for (const [key, item] of value.value as Map<string, Value>) {
        this.#budget.spend((6 * key.length) / 16);
        this.#spendJson(item, indent, separators, depth + 1);
      }
    }
  }
}

/** Filters and methods that take the same time whatever they are applied to. */
const cheap = new Set([
  'length',
  'first',
  'last',
  'list',
  'safe',
  'default',
  'startswith',
  'endswith',
  'get',
  'abs',
  'bool',
]);

/** The same function, paid for at each call. */
function paidFor(own: FunctionValue, pay: (args: readonly Value[]) => void): Value {
  const bounded = Object.create(Object.getPrototypeOf(own) as object) as {
    -readonly [Key in keyof FunctionValue]: FunctionValue[Key];
  };
  bounded.type = own.type;
  bounded.value = (args, scope) => {
    pay(args);
    return own.value(args, scope);
  };
  return bounded;
}

function stand(value: Value): Node {
  return { type: evaluated, value };
}

function textLength(value: unknown): number {
  return typeof value === 'string' ? value.length : 24;
}

function countLines(text: string): number {
  let lines = 1;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines += 1;
  return lines;
}

const sizes = new WeakMap<object, number>();

/** How many objects a part of the program consists of. */
function size(node: object): number {
  const known = sizes.get(node);
  if (known !== undefined) return known;
  let total = 1;
  const children: Iterable<unknown> = node instanceof Map ? [...node].flat() : Object.values(node);
  for (const child of children) if (typeof child === 'object' && child !== null) total += size(child);
  sizes.set(node, total);
  return total;
}
