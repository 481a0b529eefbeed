export type Cell = string | number | undefined;

/**
 * One line of a CSV file (RFC 4180), its end included. Numbers keep every digit; not finite ones are named as pandas
 * and R read them. A text that a spreadsheet would run as a formula gets an apostrophe before it.
 */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(cell).join(',')}\r\n`;
}

function cell(value: Cell): string {
  if (value === undefined) return '';
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return String(value);
    return Number.isNaN(value) ? 'NaN' : value > 0 ? 'inf' : '-inf';
  }
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A name for a file, of what people call a thing: letters, digits and hyphens. */
export function fileName(title: string, ending: string): string {
  const plain = title
    .normalize('NFC')
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .replaceAll(/^-+|-+$/g, '');
  return `${plain.slice(0, 80) || 'chart'}.${ending}`;
}
