import type { MethodName, RequestOf, ResultOf } from '../../../shared/app/api.ts';
import type { GeneratedPiece } from '../../../shared/app/protocol.ts';
import type { ProgressEvent, Services } from '../../../shared/contract.ts';
import type { Downloads } from './downloads.ts';
import type { Grants } from './grants.ts';
import type { QueueRunner } from './queue-runner.ts';
import type { Uploads } from './uploads.ts';

/** What the desktop shows of its own. */
export interface Dialogs {
  /** @returns absolute paths; none where it was closed */
  pickFiles(purpose: RequestOf<'pickFiles'>['purpose']): Promise<readonly string[]>;
  /** Lets a person say where a file is to be kept, and puts it there. @returns false where the dialog was closed */
  saveFile(path: string, suggestedName: string): Promise<boolean>;
}

/** What handlers work with. */
export interface AppContext {
  readonly services: Services;
  readonly home: string;
  readonly host: 'web' | 'desktop';
  readonly queue: QueueRunner;
  readonly grants: Grants;
  readonly uploads: Uploads;
  readonly downloads: Downloads;
  readonly dialogs?: Dialogs;
}

/** What goes with a request besides. */
export interface AppCall {
  readonly signal: AbortSignal;
  readonly onProgress: (event: ProgressEvent) => void;
  readonly onPiece: (piece: GeneratedPiece) => void;
}

export type Handler<Method extends MethodName> = (
  context: AppContext,
  request: RequestOf<Method>,
  call: AppCall,
) => Promise<ResultOf<Method>>;

export type Handlers = { readonly [Method in MethodName]: Handler<Method> };
