import { describe, expect, it } from 'vitest';
import { parseRoute, routeTo, withParams } from './route.ts';

describe('addresses', () => {
  it('come back as they were made, whatever names hold', () => {
    for (const name of ['pairs', 'a/b?c#d&e=f', 'Größe %41', 'x y+z', '..']) {
      const route = parseRoute(routeTo('data', [name, 3], { query: 'a=b&c "d"', page: 2 }));
      expect(route).toEqual({ page: 'data', rest: [name, '3'], params: { query: 'a=b&c "d"', page: '2' } });
    }
  });

  it('lead home where they lead nowhere', () => {
    for (const hash of ['', '#', '#/', '#/nowhere/3', '#nonsense?x=1', '#/%E0%A4%A'])
      expect(parseRoute(hash)).toMatchObject({ page: 'home', rest: [] });
  });

  it('drop parameters that are taken away', () => {
    const route = parseRoute('#/runs/12?tab=log&smooth=0.6');
    expect(withParams(route, { tab: null })).toBe('#/runs/12?smooth=0.6');
    expect(withParams(route, { smooth: 0, only: true, no: false, open: undefined })).toBe(
      '#/runs/12?tab=log&smooth=0&only=true',
    );
  });
});
