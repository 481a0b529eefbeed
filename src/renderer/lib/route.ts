/** Addresses within the app: `#/runs/12?tab=log&smooth=0.6`. */
export const pages = [
  'home',
  'data',
  'models',
  'experiments',
  'runs',
  'compare',
  'playground',
  'judge',
  'report',
  'settings',
] as const;
export type PageName = (typeof pages)[number];

export interface Route {
  readonly page: PageName;
  /** What stands between the page's name and the parameters, decoded: a dataset's name, a run's number. */
  readonly rest: readonly string[];
  readonly params: Readonly<Record<string, string>>;
}

/** Values that are absent or null leave the address. */
export type Params = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Reads an address; one that is unknown is the home page. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = splitOnce(hash.replace(/^#/, ''), '?');
  const [name = '', ...rest] = path
    .split('/')
    .filter((part) => part !== '')
    .map(decode);
  const page = (pages as readonly string[]).includes(name) ? (name as PageName) : 'home';
  return {
    page,
    rest: page === name ? rest : [],
    params: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** The address of a page, as `href` takes it. */
export function routeTo(
  page: PageName,
  rest: readonly (string | number)[] = [],
  params: Params = {},
): string {
  const path = [page, ...rest].map((part) => encodeURIComponent(String(part))).join('/');
  const query = new URLSearchParams(
    Object.entries(params).flatMap(([name, value]) =>
      value === null || value === undefined || value === false ? [] : [[name, String(value)]],
    ),
  ).toString();
  return `#/${path}${query === '' ? '' : `?${query}`}`;
}

/** A route with some of its parameters changed. */
export function withParams(route: Route, changes: Params): string {
  return routeTo(route.page, route.rest, { ...route.params, ...changes });
}

function splitOnce(text: string, mark: string): [string, string] {
  const place = text.indexOf(mark);
  return place < 0 ? [text, ''] : [text.slice(0, place), text.slice(place + mark.length)];
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
