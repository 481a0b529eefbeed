import type { GenerateTextResult } from '../../../shared/app/api.ts';
import type { GeneratedPiece } from '../../../shared/app/protocol.ts';

/** What a column has to show. */
export interface Answer {
  readonly pieces: GeneratedPiece[];
  busy: boolean;
  stopped: boolean;
  result: GenerateTextResult | undefined;
  problem: string | undefined;
}

export function emptyAnswer(): Answer {
  return { pieces: [], busy: true, stopped: false, result: undefined, problem: undefined };
}
