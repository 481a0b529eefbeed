import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Rectangle } from 'electron';
import { z } from 'zod';

const whole = z.int().min(-100_000).max(100_000);
const state = z.strictObject({
  bounds: z.strictObject({ x: whole, y: whole, width: whole.min(1), height: whole.min(1) }),
  maximized: z.boolean(),
});

/** Where the window stood; in device-independent pixels. */
export type WindowState = z.infer<typeof state>;

export const smallest = { width: 720, height: 480 };
export const initial = { width: 1280, height: 840 };

/** Undefined where nothing was kept, or nothing that can be read: then the window stands where the system puts it. */
export function readWindowState(file: string): WindowState | undefined {
  try {
    return state.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Where it cannot be written the window stands elsewhere next time: nothing else depends on it. */
export function writeWindowState(file: string, kept: WindowState): void {
  try {
    writeFileSync(`${file}.partial`, JSON.stringify(kept));
    renameSync(`${file}.partial`, file);
  } catch {
    // See above.
  }
}

/** How much of the window's upper edge must be on a display for a person to get hold of it. */
const grip = { width: 120, height: 24 };

/**
 * The bounds as they were, brought to the size of the display they lie on most; undefined where no display shows enough of
 * them by now.
 * @param workAreas of all displays
 */
export function fitToDisplays(bounds: Rectangle, workAreas: readonly Rectangle[]): Rectangle | undefined {
  const overlaps = workAreas.map((area) => ({ area, size: overlap(bounds, area) }));
  const best = overlaps.reduce<(typeof overlaps)[number] | undefined>(
    (most, each) => (most === undefined || each.size > most.size ? each : most),
    undefined,
  );
  if (best === undefined || best.size === 0) return undefined;
  const { area } = best;
  const width = Math.max(smallest.width, Math.min(bounds.width, area.width));
  const height = Math.max(smallest.height, Math.min(bounds.height, area.height));
  const { x, y } = bounds;
  const gripped =
    Math.min(x + width, area.x + area.width) - Math.max(x, area.x) >= grip.width &&
    y >= area.y &&
    y + grip.height <= area.y + area.height;
  return gripped ? { x, y, width, height } : { x: area.x, y: area.y, width, height };
}

function overlap(a: Rectangle, b: Rectangle): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return Math.max(0, width) * Math.max(0, height);
}
