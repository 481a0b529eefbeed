/** Edit distance with neighbouring letters swapped counted once (optimal string alignment). */
export function editDistance(left: string, right: string): number {
  const rows: number[][] = Array.from({ length: left.length + 1 }, (_, i) => [i]);
  for (let j = 0; j <= right.length; j += 1) rows[0]![j] = j;
  for (let i = 1; i <= left.length; i += 1) {
    for (let j = 1; j <= right.length; j += 1) {
      const same = left[i - 1] === right[j - 1];
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1])
        best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = best;
    }
  }
  return rows[left.length]![right.length]!;
}

/** The known name that was probably meant, if one is near enough: a third of its letters may differ, one at least. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  let best: { readonly name: string; readonly rank: number } | undefined;
  for (const name of known) {
    const distance = editDistance(given, name);
    // Of equally near names, one with the same first letter: people rarely miss that.
    const rank = distance + (name[0] === given[0] ? 0 : 0.5);
    if (distance <= Math.max(1, Math.floor(name.length / 3)) && rank < (best?.rank ?? Infinity))
      best = { name, rank };
  }
  // A beginning or end of a longer name ("rank" of "lora-rank") is near however much is missing.
  return best?.name ?? (given.length >= 3 ? known.find((name) => name.includes(given)) : undefined);
}
