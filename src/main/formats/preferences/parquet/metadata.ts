import {
  listField,
  numberField,
  ParquetError,
  structField,
  structsField,
  textField,
  ThriftReader,
  type ThriftStruct,
} from './thrift.ts';

/** Physical types, by Parquet's numbers (github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift). */
export const physicalTypes = [
  'boolean',
  'int32',
  'int64',
  'int96',
  'float',
  'double',
  'bytes',
  'fixed-bytes',
] as const;
export type PhysicalType = (typeof physicalTypes)[number];

const codecs = ['none', 'snappy', 'gzip', 'lzo', 'brotli', 'lz4', 'zstd', 'lz4-raw'] as const;
export type Codec = (typeof codecs)[number];

/** How a leaf's value is reached from its row. */
export type Step =
  /** Into an object's field. */
  | { readonly kind: 'field'; readonly name: string }
  /** A null may stand here: one definition level. */
  | { readonly kind: 'optional' }
  /** Into a list: one definition and one repetition level. */
  | { readonly kind: 'list' };

/** A column of values as it is stored. */
export interface Leaf {
  /** The schema's names, parted by NUL, which no name holds. */
  readonly key: string;
  readonly type: PhysicalType;
  readonly steps: readonly Step[];
  readonly definitionLevels: number;
  readonly repetitionLevels: number;
}

export interface ColumnChunk {
  readonly leaf: Leaf;
  readonly codec: Codec;
  readonly values: number;
  /** Bytes in the file, page headers included. */
  readonly start: number;
  readonly length: number;
}

export interface RowGroup {
  readonly rows: number;
  readonly chunks: readonly ColumnChunk[];
}

/** Deepest nesting and most columns that are read: preference data need six levels. */
const deepest = 24;
const mostElements = 10_000;

/**
 * The file's footer: row groups with the chunks of the columns that are wanted.
 * @param wanted names of top-level columns; undefined for all
 * @throws ParquetError
 */
export function readFooter(
  bytes: Buffer,
  fileSize: number,
  wanted: ReadonlySet<string> | undefined,
): readonly RowGroup[] {
  const footer = new ThriftReader(bytes).struct();
  const leaves = leavesOf(structsField(footer, 2));
  return structsField(footer, 4).map((group) => ({
    rows: positive(numberField(group, 3)),
    chunks: structsField(group, 1).flatMap((column) => {
      const chunk = chunkOf(column, leaves, fileSize);
      const [first] = chunk?.leaf.steps ?? [];
      const isWanted = first?.kind === 'field' && (wanted === undefined || wanted.has(first.name));
      return chunk !== undefined && isWanted ? [chunk] : [];
    }),
  }));
}

function positive(value: number): number {
  if (value < 0) throw new ParquetError('broken Parquet: a size below 0');
  return value;
}

function chunkOf(
  column: ThriftStruct,
  leaves: ReadonlyMap<string, Leaf>,
  fileSize: number,
): ColumnChunk | undefined {
  const meta = structField(column, 3);
  if (meta === undefined)
    throw new ParquetError('Parquet with encrypted columns or parts in other files is not read');
  const leaf = leaves.get(
    listField(meta, 3)
      .map((name) => (Buffer.isBuffer(name) ? name.toString('utf8') : ''))
      .join('\0'),
  );
  if (leaf === undefined) return undefined;
  const codec = codecs[numberField(meta, 4)];
  if (codec === undefined) throw new ParquetError('Parquet with an unknown compression');
  const data = positive(numberField(meta, 9));
  const dictionary = meta.has(11) ? numberField(meta, 11) : 0;
  // Some writers leave 0 where there is no dictionary.
  const start = dictionary > 0 && dictionary < data ? dictionary : data;
  const length = positive(numberField(meta, 7));
  if (start + length > fileSize) throw new ParquetError('the file ends before its data; it is truncated');
  return { leaf, codec, values: positive(numberField(meta, 5)), start, length };
}

interface Node {
  readonly name: string;
  readonly type: PhysicalType | undefined;
  readonly repetition: 'required' | 'optional' | 'repeated';
  readonly isList: boolean;
  readonly children: readonly Node[];
}

/** Leaves by their keys. */
function leavesOf(elements: readonly ThriftStruct[]): ReadonlyMap<string, Leaf> {
  if (elements.length > mostElements)
    throw new ParquetError(`Parquet with more than ${mostElements} columns`);
  let next = 0;
  const read = (depth: number): Node => {
    const element = elements[next];
    next += 1;
    if (element === undefined) throw new ParquetError('broken Parquet: the schema ends too early');
    if (depth > deepest) throw new ParquetError('Parquet nested too deeply');
    const children: Node[] = [];
    const count = numberField(element, 5, 0);
    for (let at = 0; at < count; at += 1) children.push(read(depth + 1));
    const logical = structField(element, 10);
    return {
      name: textField(element, 4),
      type: element.has(1) ? physicalTypes[numberField(element, 1)] : undefined,
      repetition: (['required', 'optional', 'repeated'] as const)[numberField(element, 3, 0)] ?? 'required',
      isList: element.get(6) === 3 || logical?.has(3) === true,
      children,
    };
  };
  const leaves = new Map<string, Leaf>();
  for (const child of read(0).children)
    addLeaves(child, [{ kind: 'field', name: child.name }], [child.name], leaves);
  return leaves;
}

function addLeaves(
  node: Node,
  before: readonly Step[],
  path: readonly string[],
  leaves: Map<string, Leaf>,
): void {
  const steps: Step[] = [...before];
  if (node.repetition === 'optional') steps.push({ kind: 'optional' });
  if (node.repetition === 'repeated') steps.push({ kind: 'list' });
  if (node.children.length === 0) {
    if (node.type === undefined) return;
    // A name that would change what the row is, not what it holds.
    if (path.includes('__proto__')) return;
    leaves.set(path.join('\0'), {
      key: path.join('\0'),
      type: node.type,
      steps,
      definitionLevels: steps.filter(({ kind }) => kind !== 'field').length,
      repetitionLevels: steps.filter(({ kind }) => kind === 'list').length,
    });
    return;
  }
  const [only] = node.children;
  if (node.isList && node.children.length === 1 && only!.repetition === 'repeated') {
    const inner = [...path, only!.name];
    // Three levels: list, repeated group, element. In old files the repeated node is the element itself.
    const [element] = only!.children;
    const isWrapper =
      only!.children.length === 1 && only!.name !== 'array' && only!.name !== `${node.name}_tuple`;
    if (isWrapper) addLeaves(element!, [...steps, { kind: 'list' }], [...inner, element!.name], leaves);
    else addLeaves(only!, steps, inner, leaves);
    return;
  }
  for (const child of node.children)
    addLeaves(child, [...steps, { kind: 'field', name: child.name }], [...path, child.name], leaves);
}
