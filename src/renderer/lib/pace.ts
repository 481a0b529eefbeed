import { formatDuration, formatRate } from '../../shared/format.ts';

/**
 * How fast work goes and how long it will take, beside its progress bar: `12,300 rows/s, 0:07 left`.
 * @param seconds since it began
 */
export function paceOf(done: number, total: number | undefined, unit: string, seconds: number): string {
  if (seconds < 0.5 || done <= 0) return '';
  const rate = done / seconds;
  const speed = unit === 'B' ? formatRate(rate / 1e6, 'MB') : formatRate(rate, unit);
  return total === undefined || total < done
    ? speed
    : `${speed}, ${formatDuration((total - done) / rate)} left`;
}
