import { axisKinds, type AxisKind, type Range } from '../lib/axis.ts';
import { route, setParams } from './route.svelte.ts';

export type Spread = 'sd' | 'range';

/** How the charts of one screen are looked at, together. */
export interface ChartView {
  x: AxisKind;
  /** On the x axis; undefined: all there is. */
  range: Range | undefined;
  /** The window of the moving average, in steps; 1: none. */
  smoothing: number;
  logX: boolean;
  logY: boolean;
  /** What the band around a mean over seeds shows. */
  spread: Spread;
  /** Keys of lines that are not drawn. */
  readonly hidden: readonly string[];
  toggle(key: string): void;
}

const defaultSmoothing = 10;
/** A range changes with every movement of the mouse, and browsers allow few new addresses a second. */
const restMilliseconds = 300;

/** The view that the address tells, and that tells the address. To be called while a component is set up. */
export function addressedView(): ChartView {
  let moving = $state.raw<{ readonly range: Range | undefined }>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const params = $derived(route.params);
  const number = (text: string | undefined): number | undefined => {
    const value = text === undefined || text === '' ? NaN : Number(text);
    return Number.isFinite(value) ? value : undefined;
  };
  const [from, to] = $derived([number(params['from']), number(params['to'])]);
  const range = $derived(from !== undefined && to !== undefined && from < to ? { from, to } : undefined);
  const hidden = $derived(params['hide']?.split(',').filter((key) => key !== '') ?? []);
  const x = $derived(axisKinds.find((kind) => kind === params['x']) ?? 'step');
  const smoothing = $derived(Math.max(1, number(params['smooth']) ?? defaultSmoothing));

  $effect(() => () => clearTimeout(timer));

  return {
    get x() {
      return x;
    },
    set x(kind) {
      setParams({ x: kind === 'step' ? null : kind, from: null, to: null });
    },
    get range() {
      return moving ? moving.range : range;
    },
    set range(next) {
      moving = { range: next };
      clearTimeout(timer);
      timer = setTimeout(() => {
        setParams({ from: digits(next?.from), to: digits(next?.to) });
        moving = undefined;
      }, restMilliseconds);
    },
    get smoothing() {
      return smoothing;
    },
    set smoothing(window) {
      setParams({ smooth: window === defaultSmoothing ? null : window });
    },
    get logX() {
      return params['logx'] === 'true';
    },
    set logX(log) {
      setParams({ logx: log });
    },
    get logY() {
      return params['logy'] === 'true';
    },
    set logY(log) {
      setParams({ logy: log });
    },
    get spread() {
      return params['spread'] === 'range' ? 'range' : 'sd';
    },
    set spread(spread) {
      setParams({ spread: spread === 'sd' ? null : spread });
    },
    get hidden() {
      return hidden;
    },
    toggle(key) {
      const left = hidden.filter((other) => other !== key);
      setParams({ hide: (left.length < hidden.length ? left : [...hidden, key]).join(',') || null });
    },
  };
}

/** Six digits are finer than any screen. */
function digits(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toPrecision(6));
}
