import { describe, expect, it } from 'vitest';
import { csvLine, fileName } from './csv.ts';

describe('CSV', () => {
  it('quotes what would break a line or a cell', () => {
    expect(csvLine(['plain', 'a,b', 'say "so"', 'two\nlines', ''])).toBe(
      'plain,"a,b","say ""so""","two\nlines",\r\n',
    );
  });

  it('keeps every digit of a number and names what is none', () => {
    const value = 0.1 + 0.2;
    expect(csvLine([value, -0.5, 1e-9, NaN, Infinity, -Infinity, undefined])).toBe(
      '0.30000000000000004,-0.5,1e-9,NaN,inf,-inf,\r\n',
    );
  });

  it('lets no text become a formula', () => {
    expect(csvLine(['=HYPERLINK("x")', '@sum', '-1+1'])).toBe(`"'=HYPERLINK(""x"")",'@sum,'-1+1\r\n`);
  });
});

describe('names of files', () => {
  it('are plain, whatever a title holds', () => {
    expect(fileName('rewards/chosen · run 12', 'csv')).toBe('rewards-chosen-run-12.csv');
    expect(fileName('../..', 'png')).toBe('chart.png');
    expect(fileName('Größe β', 'png')).toBe('Größe-β.png');
  });
});
