/**
 * Whether chosen and rejected rewards have both gone below zero for good: their last two means are, and lie below the
 * first. That is what makes people fear that a training has failed.
 * @param chosen means over stretches of a run, oldest first
 */
export function bothFall(chosen: readonly number[] = [], rejected: readonly number[] = []): boolean {
  return hasFallen(chosen) && hasFallen(rejected);
}

function hasFallen(means: readonly number[]): boolean {
  const last = means.slice(-2);
  return means.length >= 3 && last.every((mean) => mean < 0 && mean < means[0]!);
}
