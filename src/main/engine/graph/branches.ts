import { eitherOp, onDemandOp } from './ops/blocks.ts';
import { nodeOf, type Node, type Value } from './types.ts';
import { missingNodes } from './verify.ts';

/** Where nodes are made: in every run, or in a branch of one that is there for some runs only. */
export interface Placement {
  /** What every run makes, in order, nodes with branches among them. */
  readonly nodes: readonly Node[];
  /** For each node with branches the nodes of each of them, in order. */
  readonly branches: ReadonlyMap<Node, readonly (readonly Node[])[]>;
}

/** A branch of a node. */
interface Branch {
  readonly node: Node;
  readonly branch: number;
}

/**
 * Puts into a branch what only that branch needs; what another branch or the graph itself needs as well is made in every run.
 * @param hasCondition whether runs ask for what is on demand; otherwise it is always there
 * @param isMade nodes that have a place already
 * @throws Error where a branch has branches of its own
 */
export function placeNodes(
  outputs: readonly Value[],
  hasCondition: boolean,
  isMade: (node: Node) => boolean = () => false,
): Placement {
  const branchOf = ({ op }: Node, input: number): number | undefined =>
    op === eitherOp && input > 0 ? input - 1 : op === onDemandOp && hasCondition ? 0 : undefined;
  const users = new Map<Node, Set<Branch | undefined>>();
  const use = (value: Value, user: Branch | undefined): void => {
    const node = nodeOf(value);
    if (!node || isMade(node)) return;
    const known = users.get(node);
    if (known) known.add(user);
    else users.set(node, new Set([user]));
  };
  outputs.forEach((value) => use(value, undefined));
  const nodes: Node[] = [];
  const branches = new Map<Node, Node[][]>();
  // From the last node on: who uses a node is known before its turn.
  for (const node of missingNodes(outputs, isMade).toReversed()) {
    const own = users.get(node)!;
    const [first] = own;
    const home = own.size === 1 ? first : undefined;
    const parts: Branch[] = [];
    node.inputs.forEach((value, input) => {
      const branch = branchOf(node, input);
      if (branch === undefined) return use(value, home);
      if (home) throw new Error(`${node.op.name} is in a branch of ${home.node.op.name}`);
      parts[branch] ??= { node, branch };
      use(value, parts[branch]);
    });
    if (parts.length > 0)
      branches.set(
        node,
        parts.map(() => []),
      );
    if (home) branches.get(home.node)![home.branch]!.push(node);
    else nodes.push(node);
  }
  for (const parts of branches.values()) parts.forEach((part) => part.reverse());
  return { nodes: nodes.reverse(), branches };
}
