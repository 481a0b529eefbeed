export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Columns padded to their widest cell, two blanks between, no blanks at line ends. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, at) =>
    Math.max(column.title.length, ...rows.map((row) => row[at]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    columns
      .map((column, at) => {
        const cell = cells[at] ?? '';
        return column.align === 'right' ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!);
      })
      .join('  ')
      .trimEnd();
  return [columns.map((column) => column.title), ...rows].map(line).join('\n');
}
