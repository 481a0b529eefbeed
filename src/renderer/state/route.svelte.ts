import { parseRoute, withParams, type Params, type Route } from '../lib/route.ts';

let current = $state.raw<Route>(parseRoute(location.hash));
addEventListener('hashchange', () => (current = parseRoute(location.hash)));
// Of their own, so that a parameter that changes does not make anew what depends on the page alone.
const page = $derived(current.page);

/** Where the app is. Pages keep what they show in `params`, so that reload and back work. */
export const route = {
  get page() {
    return page;
  },
  get rest() {
    return current.rest;
  },
  get params() {
    return current.params;
  },
};

/** Goes to an address made by `routeTo`; the one before stays reachable by "back". */
export function go(address: string): void {
  location.hash = address;
}

/**
 * Changes parameters of the address.
 * @param keep true: a step that "back" undoes; false (sliders, typing): in place
 */
export function setParams(changes: Params, keep = false): void {
  const address = withParams(current, changes);
  if (address === location.hash) return;
  if (keep) {
    location.hash = address;
    return;
  }
  history.replaceState(null, '', address);
  current = parseRoute(address);
}
