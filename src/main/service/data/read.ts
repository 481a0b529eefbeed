import { openDataFile, type OpenedData } from '../../formats/preferences.ts';
import type { CallOptions, DataFormatRequest } from '../../../shared/contract.ts';

/** Opens a data file as a request says, with its bytes as a bar and the call's signal. */
export function openRequested(
  path: string,
  { format, map }: DataFormatRequest,
  label: string,
  call: CallOptions,
): Promise<OpenedData> {
  return openDataFile(path, {
    ...(format === undefined ? {} : { format }),
    ...(map === undefined ? {} : { map }),
    signal: call.signal,
    onBytes: (done, total) => call.onProgress?.({ kind: 'progress', label, done, total, unit: 'B' }),
  });
}
