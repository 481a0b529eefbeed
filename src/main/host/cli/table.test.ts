import { expect, it } from 'vitest';
import { renderTable } from './table.ts';

it('pads columns to their widest cell', () => {
  expect(
    renderTable(
      [{ title: 'NAME' }, { title: 'ROWS', align: 'right' }, { title: 'PATH' }],
      [
        ['a', '1', 'x'],
        ['longer', '12345', ''],
      ],
    ),
  ).toBe('NAME     ROWS  PATH\na           1  x\nlonger  12345');
});
