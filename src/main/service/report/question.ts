import type { ComparisonResult } from '../../../shared/comparison.ts';

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;

/** What a comparison asks, as its title. */
export function question(result: ComparisonResult): string {
  const [first = '', ...others] = result.arms;
  if (others.length === 0) return `What does ${first} do to ${result.model.name}?`;
  return `${others.length === 1 ? 'Is' : 'Are'} ${listed(others)} better than ${first}?`;
}
