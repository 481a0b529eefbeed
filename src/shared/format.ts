/** Numbers as people read them, the same in every table, progress line and report. */

/** Seconds as `0:07`, `12:34` or `1:02:03`; `–` where unknown. */
export function formatDuration(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds) || seconds < 0) return '–';
  const total = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}

/** `1 run`, `3 runs`. */
export const plural = (count: number, noun: string): string =>
  `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;

/** How long something took: `0.04 s`, `3.1 s`, `42 s`, from a minute on as `formatDuration`. */
export function formatElapsed(seconds: number): string {
  if (!(seconds >= 0 && seconds < 59.5)) return formatDuration(seconds);
  if (seconds < 0.095) return `${seconds.toFixed(2)} s`;
  return `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}

const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** Bytes in decimal units: `950 B`, `10.3 MB`, `1.2 GB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.5 would round to "1000", which belongs to the next unit.
  while (value >= 999.5 && unit < byteUnits.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)} ${byteUnits[unit]}`;
}

/** Made once: to make it takes a hundred times as long as to use it, and axes of charts are full of numbers. */
const counts = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `1234567` as `1,234,567`. */
export function formatCount(count: number): string {
  return counts.format(count);
}

/** Parameter counts as people name models: `3.1M`, `135M`, `1.2B`. */
export function formatParameters(count: number): string {
  if (count < 1e3) return String(count);
  const [scale, unit] = count < 999_500 ? [1e3, 'k'] : count < 999.5e6 ? [1e6, 'M'] : [1e9, 'B'];
  const value = count / scale;
  return `${value >= 99.95 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, '')}${unit}`;
}

/**
 * At most `digits` significant digits, trailing zeros dropped, without an exponent between 1e-4 and 1e6; `–` where
 * undefined. NaN and infinities are named: a person watching a training must see them.
 */
export function formatNumber(value: number | undefined, digits = 4): string {
  if (value === undefined) return '–';
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '-∞';
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e6)) return shortExponent(value, digits);
  return String(Number(value.toPrecision(digits)));
}

/** Learning rates as people write them: `5e-6`, `1.5e-5`, `0.1`. Takes one argument, so that it can be mapped over. */
export function formatLearningRate(rate: number): string {
  return rate === 0 || rate >= 0.1 ? String(rate) : shortExponent(rate, 7);
}

/** β as it was given, every digit of it: `0.1`. Takes one argument, so that it can be mapped over. */
export function formatBeta(beta: number): string {
  return String(beta);
}

/** `1.235e6`, `5e-6`: at most `digits` significant digits, trailing zeros dropped. */
function shortExponent(value: number, digits: number): string {
  const [mantissa = '', exponent = ''] = value.toExponential(digits - 1).split('e');
  return `${Number(mantissa)}e${Number(exponent)}`;
}

/**
 * A measured value with about three significant digits, trailing zeros kept, and a true minus sign, as tables and
 * verdicts show it; `–` for a missing or not finite one.
 */
export function formatMeasured(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 100_000 || size < 0.0005)) {
    return value.toExponential(1).replaceAll('-', '−').replace('e+', 'e');
  }
  return formatFixed(value, commonDecimals([value]));
}

/** Decimals that give the largest of some values three significant digits, so that a whole column lines up. */
export function commonDecimals(values: readonly (number | undefined)[]): number {
  const sizes = values.map((value) => (value !== undefined && Number.isFinite(value) ? Math.abs(value) : 0));
  const largest = Math.max(0, ...sizes);
  return largest >= 100 ? 0 : largest >= 10 ? 1 : largest >= 1 ? 2 : 3;
}

/** A number with fixed decimals and a true minus sign; `–` for a missing or not finite one. */
export function formatFixed(value: number | null | undefined, decimals: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const text = value.toFixed(decimals);
  return (Number(text) === 0 ? text.replace('-', '') : text).replace('-', '−');
}

/** A share in per cent with one decimal, for columns whose heading says %: `0.4125` as `41.3`; `–` where missing. */
export function formatShare(share: number | null | undefined): string {
  return share === null || share === undefined || !Number.isFinite(share) ? '–' : (share * 100).toFixed(1);
}

/** A share with its per cent sign: `0.625` as `62.5%`; `–` where undefined, `NaN` where it is not a number. */
export function formatPercent(share: number | undefined): string {
  return share !== undefined && Number.isFinite(share) ? `${formatShare(share)}%` : formatNumber(share);
}

/** Units per second with three significant digits: `1.85 pairs/s`; `–` where unknown. */
export function formatRate(perSecond: number | undefined, unit: string): string {
  if (perSecond === undefined || !Number.isFinite(perSecond)) return '–';
  return `${perSecond >= 1000 ? formatCount(perSecond) : formatNumber(perSecond, 3)} ${unit}/s`;
}

/** Breaks a text at spaces into lines of at most `width` characters: the first after `lead`, the rest after `indent`. */
export function wrapText(text: string, width: number, lead = '', indent = ''): string[] {
  const lines: string[] = [];
  let line = lead;
  for (const word of text.split(' ')) {
    const longer = line === '' || line === lead ? line + word : `${line} ${word}`;
    if (longer.length > width && line !== lead) {
      lines.push(line);
      line = indent + word;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}
