import { expect, test } from 'vitest';
import type { DecoderConfig } from '../models/config.ts';
import { cacheNames } from '../models/attention.ts';
import { Random } from '../train/random.ts';
import { KeyValueCache, type CachedTokens } from './cache.ts';

const sizes = { layers: 2, keyValueHeads: 3, headSize: 4 };
const names = Array.from({ length: sizes.layers }, (_, layer) => cacheNames(layer)).flat();
const width = sizes.keyValueHeads * sizes.headSize;

/** Tokens of each place as numbers that name them, which is what a row of each tensor is filled with. */
type Model = number[][];

test('every place holds its own tokens in order, whatever comes, grows, moves, shrinks and ends beside it', () => {
  const places = 3;
  const cache = new KeyValueCache(sizes as DecoderConfig, places);
  const model: Model = Array.from({ length: places }, () => []);
  const random = new Random(7, 'cache');
  const below = (count: number): number => Math.floor(random.uniform() * count);
  let next = 1;
  /** Numbers of a token's row in a tensor: all different. */
  const number = (token: number, tensor: number, at: number): number => token * 1000 + tensor * 100 + at;
  let prefix: { readonly tokens: CachedTokens; readonly ids: readonly number[] } | undefined;
  const seenSlots = new Set<number>();
  for (let step = 0; step < 400; step++) {
    const place = below(places);
    const kind = random.uniform();
    const own = model[place]!;
    if (kind < 0.6) {
      const count = 1 + below(40);
      cache.reserve(Math.max(...model.map((tokens) => tokens.length), own.length + count));
      const ids = Array.from({ length: count }, () => next++);
      const firstRow = below(3);
      const fresh = (name: string): Float32Array => {
        const tensor = names.findIndex((each) => each.fresh === name);
        return Float32Array.from({ length: (firstRow + count) * width }, (_, at) => {
          const row = Math.floor(at / width) - firstRow;
          return row < 0 ? -1 : number(ids[row]!, tensor, at % width);
        });
      };
      cache.append(fresh, place, firstRow, count);
      own.push(...ids);
    } else if (kind < 0.7) {
      cache.clear(place);
      model[place] = [];
    } else if (kind < 0.8) {
      const to = (place + 1) % places;
      cache.move(place, to);
      model[to] = own;
      model[place] = [];
    } else if (kind < 0.9) {
      prefix = { tokens: cache.copy(place), ids: [...own] };
    } else if (prefix) {
      cache.clear(place);
      model[place] = [...prefix.ids];
      const others = model.map((tokens) => tokens.length);
      cache.reserve(Math.max(...others));
      cache.paste(prefix.tokens, place);
    }
    seenSlots.add(cache.slots);
    const feeds = cache.placeFeeds(places);
    names.forEach(({ places: name }, tensor) => {
      const { data, shape } = feeds[name]!;
      expect(shape).toEqual([places * sizes.keyValueHeads, 1, cache.slots, sizes.headSize]);
      expect(data).toHaveLength(places * width * cache.slots);
      model.forEach((tokens, at) => {
        expect(cache.filled(at)).toBe(tokens.length);
        for (let head = 0; head < sizes.keyValueHeads; head++) {
          const start = (at * sizes.keyValueHeads + head) * cache.slots * sizes.headSize;
          const found = data.subarray(start, start + tokens.length * sizes.headSize);
          const expected = tokens.flatMap((token) =>
            Array.from({ length: sizes.headSize }, (_, column) =>
              number(token, tensor, head * sizes.headSize + column),
            ),
          );
          expect([...found]).toEqual(expected);
        }
      });
    });
  }
  // It has grown within its memory and beyond, and shrunk.
  expect(seenSlots.size).toBeGreaterThan(4);
});

test('slots that only a sequence needed that is over are read for as long as three moves take, then no more', () => {
  const cache = new KeyValueCache(sizes as DecoderConfig, 2);
  const read = (place: number, tokens: number): void => {
    cache.reserve(Math.max(cache.filled(0), cache.filled(1), cache.filled(place) + tokens));
    const rows = new Float32Array(tokens * width).fill(place + 1);
    cache.append(() => rows, place, 0, tokens);
  };
  read(0, 500);
  read(1, 100);
  const many = cache.slots;
  expect(many).toBeGreaterThan(500);
  cache.clear(0);
  let unneeded = 0;
  while (cache.slots === many) {
    unneeded += many - 128;
    // Grown by a token a pass, from 100 tokens on.
    expect(unneeded).toBeLessThan(3 * 128 + many);
    read(1, 1);
  }
  expect(cache.slots).toBe(128);
  const { data } = cache.placeFeeds(2)[names[0]!.places]!;
  const own = cache.filled(1);
  for (let head = 0; head < sizes.keyValueHeads; head++) {
    const start = (sizes.keyValueHeads + head) * cache.slots * sizes.headSize;
    expect([...data.subarray(start, start + own * sizes.headSize)]).toEqual(
      new Array<number>(own * sizes.headSize).fill(2),
    );
  }
});
