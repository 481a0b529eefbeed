import { join } from 'node:path';
import { RotatingLog } from '../training/log.ts';

/** The log of a program that stays open, beside those of jobs. @returns writes a text with the time, line by line */
export function openHostLog(home: string): (text: string) => void {
  const log = new RotatingLog(join(home, 'logs', 'host.log'));
  return (text) => log.write(text);
}
