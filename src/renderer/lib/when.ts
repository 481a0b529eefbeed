const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * A moment as short as it stays clear, in the reader's own time zone: `14:03` today, `24 Nov 14:03` this year, else
 * `24 Nov 2025`.
 * @param iso ISO 8601
 */
export function formatWhen(iso: string, now = new Date()): string {
  const when = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = `${two(when.getHours())}:${two(when.getMinutes())}`;
  const day = `${when.getDate()} ${months[when.getMonth()]}`;
  if (when.getFullYear() !== now.getFullYear()) return `${day} ${when.getFullYear()}`;
  const isToday = when.getMonth() === now.getMonth() && when.getDate() === now.getDate();
  return isToday ? time : `${day} ${time}`;
}
