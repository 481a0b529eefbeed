/** Learning rates as people write them: 0.000005 → "5e-6", 0.01 → "0.01". */
export function formatLearningRate(rate: number): string {
  if (rate === 0 || rate >= 0.001) return String(rate);
  const [digits = '', exponent = ''] = rate.toExponential(6).split('e');
  return `${Number(digits)}e${Number(exponent)}`;
}

/** A number with about three significant digits and a true minus sign; a dash for a missing or not finite one. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 100_000 || size < 0.0005)) {
    return value.toExponential(1).replaceAll('-', '−').replace('e+', 'e');
  }
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return formatFixed(value, digits);
}

/** Decimals that give the largest of some values three significant digits, so that a whole column lines up. */
export function commonDecimals(values: readonly (number | undefined)[]): number {
  const sizes = values
    .filter((value) => value !== undefined && Number.isFinite(value))
    .map((v) => Math.abs(v!));
  const largest = Math.max(0, ...sizes);
  return largest >= 100 ? 0 : largest >= 10 ? 1 : largest >= 1 ? 2 : 3;
}

/** A number with fixed decimals and a true minus sign; a dash for a missing or not finite one. */
export function formatFixed(value: number | null | undefined, decimals: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const text = value.toFixed(decimals);
  return (Number(text) === 0 ? text.replace('-', '') : text).replace('-', '−');
}

/** A share as percent with one decimal, without the sign: 0.4125 → "41.3". */
export function formatShare(share: number | null | undefined): string {
  return share === null || share === undefined || !Number.isFinite(share) ? '–' : (share * 100).toFixed(1);
}

/** Breaks a text at spaces into lines of at most `width` characters: the first after `lead`, the rest after `indent`. */
export function wrapText(text: string, width: number, lead = '', indent = ''): string[] {
  const lines: string[] = [];
  let line = lead;
  for (const word of text.split(' ')) {
    const longer = line === '' || line === lead ? line + word : `${line} ${word}`;
    if (longer.length > width && line !== lead) {
      lines.push(line);
      line = indent + word;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}
