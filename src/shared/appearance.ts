import { lossOf } from './losses.ts';

/** Point shapes a chart can draw; the names are Chart.js's. */
export type Mark = 'circle' | 'triangle' | 'rect' | 'rectRot' | 'cross' | 'crossRot' | 'star';

/** How a loss looks in every chart and table, so that it is recognised without its legend. */
export interface Appearance {
  /** Colour on a light ground. */
  readonly light: string;
  /** Colour on a dark ground. */
  readonly dark: string;
  readonly mark: Mark;
}

// Okabe and Ito's palette, which people with any form of colour blindness can tell apart; darkened on the light and
// lightened on the dark ground where contrast needs it. The mark tells apart what shares a colour, or has one that some people
// see as the same: vermillion and ochre without red or green, purple and grey without green.
const vermillion = { light: '#c04f00', dark: '#ff8a4c' };
const blue = { light: '#0067a5', dark: '#62b8f0' };
const green = { light: '#007a58', dark: '#2fc49a' };
const purple = { light: '#a8477e', dark: '#e59bc4' };
const ochre = { light: '#946400', dark: '#f0b429' };
const grey = { light: '#5c636b', dark: '#a9b1ba' };

const appearances: Readonly<Record<string, Appearance>> = {
  base: { ...grey, mark: 'rect' },
  dpo: { ...vermillion, mark: 'circle' },
  'minor-dpo': { ...blue, mark: 'triangle' },
  'kappa-dpo': { ...ochre, mark: 'rect' },
  sft: { ...green, mark: 'rectRot' },
  dpop: { ...purple, mark: 'rectRot' },
  ipo: { ...ochre, mark: 'triangle' },
  hinge: { ...green, mark: 'circle' },
  cdpo: { ...purple, mark: 'circle' },
  robust: { ...purple, mark: 'triangle' },
  simpo: { ...blue, mark: 'rect' },
  orpo: { ...vermillion, mark: 'rectRot' },
  'minor-sft': { ...green, mark: 'triangle' },
};

const unknown: Appearance = { ...grey, mark: 'star' };

/** Colour and mark of a loss or an arm, which has its loss's; neutral ones for a loss without an entry. */
export function appearanceOf(arm: string): Appearance {
  const loss = lossOf(arm);
  return Object.hasOwn(appearances, loss) ? appearances[loss]! : unknown;
}

/**
 * Places of arms among those that have their colour, from 0: lines of one colour are told apart by how they are broken.
 * Arms of one loss share it, and so do some losses.
 */
export function placesInColour(arms: readonly string[]): number[] {
  const colours = arms.map((arm) => appearanceOf(arm).light);
  return colours.map((colour, place) => colours.slice(0, place).filter((other) => other === colour).length);
}
