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

/** `1234567` as `1,234,567`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** Parameter counts as people name models: `3.1M`, `135M`, `1.2B`. */
export function formatParameters(count: number): string {
  if (count < 1e3) return String(count);
  const [scale, unit] = count < 999_500 ? [1e3, 'k'] : count < 999.5e6 ? [1e6, 'M'] : [1e9, 'B'];
  const value = count / scale;
  return `${value >= 99.95 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, '')}${unit}`;
}

/** At most `digits` significant digits, without an exponent between 1e-4 and 1e6; `–` where undefined. */
export function formatNumber(value: number | undefined, digits = 4): string {
  if (value === undefined) return '–';
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '-∞';
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e6)) return formatExponent(value, digits);
  return String(Number(value.toPrecision(digits)));
}

/** Learning rates as people write them: `5e-6`, `1.5e-5`, `0.001`. */
export function formatExponent(value: number, digits = 4): string {
  if (value === 0) return '0';
  const [mantissa = '', exponent = '0'] = value.toExponential(digits - 1).split('e');
  return Number(exponent) >= -3 && Number(exponent) < 6
    ? String(Number(value.toPrecision(digits)))
    : `${Number(mantissa)}e${Number(exponent)}`;
}

/** A share as per cent with one decimal: `0.625` as `62.5%`; `–` where undefined. */
export function formatShare(share: number | undefined): string {
  return share === undefined
    ? '–'
    : Number.isFinite(share)
      ? `${(100 * share).toFixed(1)}%`
      : formatNumber(share);
}

/** Units per second with three significant digits: `1.85 pairs/s`; `–` where unknown. */
export function formatRate(perSecond: number | undefined, unit: string): string {
  if (perSecond === undefined || !Number.isFinite(perSecond)) return '–';
  return `${perSecond >= 1000 ? formatCount(perSecond) : formatNumber(perSecond, 3)} ${unit}/s`;
}
