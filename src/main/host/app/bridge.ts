import { z } from 'zod';
import { methodNames, methods } from '../../../shared/app/methods.ts';
import type { MethodName } from '../../../shared/app/api.ts';
import type { HostMessage } from '../../../shared/app/protocol.ts';
import type { Services } from '../../../shared/contract.ts';
import { UsageError } from '../../../shared/errors.ts';
import { toCallError } from './call-error.ts';
import type { Connection } from './connection.ts';
import { Downloads } from './downloads.ts';
import { Grants } from './grants.ts';
import type { AppCall, AppContext, Dialogs, Handler } from './handler.ts';
import { handlers } from './handlers/index.ts';
import { checkNames } from './names.ts';
import { ProgressThrottle } from './progress-throttle.ts';
import { QueueRunner } from './queue-runner.ts';
import { Uploads } from './uploads.ts';

/** Calls of one page at a time: a page asks a handful. */
const mostCalls = 64;

const clientMessage = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('call'),
    id: z.int().min(0),
    method: z.string().max(100),
    request: z.unknown(),
  }),
  z.strictObject({ kind: z.literal('cancel'), id: z.int().min(0) }),
]);

export interface BridgeOptions {
  readonly services: Services;
  /** The program's folder: uploads, downloads and results of trainings lie in it. */
  readonly home: string;
  readonly host: 'web' | 'desktop';
  /** Gets what a person must not see but whoever mends the program must: one text, lines parted by "\n". */
  readonly log: (text: string) => void;
  /** The desktop's own; absent where pages upload and download. */
  readonly dialogs?: Dialogs;
}

/** What stands between pages and services, the same for every host. */
export interface Bridge {
  /** Answers a page until it is closed. */
  connect(connection: Connection): void;
  /** Files that a person let in, for hosts that take them themselves (uploads, drops). */
  readonly grants: Grants;
  readonly uploads: Uploads;
  readonly downloads: Downloads;
  /** Ends every call and every job (those at work keep a checkpoint), and removes uploads and downloads. */
  close(): Promise<void>;
}

export async function createBridge(options: BridgeOptions): Promise<Bridge> {
  const { services, home, host, log } = options;
  const uploads = await Uploads.open(home);
  const downloads = await Downloads.open(home);
  const grants = new Grants();
  const queue = new QueueRunner(services, log);
  const context: AppContext = {
    services,
    home,
    host,
    queue,
    grants,
    uploads,
    downloads,
    ...(options.dialogs === undefined ? {} : { dialogs: options.dialogs }),
  };
  const pages = new Set<Page>();
  // Of closed pages too: what they asked ends as soon as it can, and uses the services until then.
  const atWork = new Set<Promise<void>>();
  let unwatch: (() => void) | undefined;
  const tell = (message: HostMessage): void => {
    for (const page of pages) page.send(message);
  };
  // The queue is also another one once the runner has begun or come to its end.
  queue.onChange = () => tell({ kind: 'changed', topics: ['queue'] });
  const watch = (): (() => void) =>
    services.watch(({ topics, runs, jobs }) => {
      if (runs.length > 0) tell({ kind: 'runs', runs });
      for (const { job, event } of jobs) tell({ kind: 'job', job, event });
      if (topics.length > 0) tell({ kind: 'changed', topics });
    });
  return {
    grants,
    uploads,
    downloads,
    connect(connection) {
      const page = new Page(connection, context, log, atWork);
      pages.add(page);
      unwatch ??= watch();
      connection.onClose(() => {
        page.end();
        pages.delete(page);
        if (pages.size > 0) return;
        unwatch?.();
        unwatch = undefined;
      });
    },
    async close() {
      for (const page of pages) page.close();
      await queue.close();
      await Promise.all(atWork);
      await Promise.all([uploads.close(), downloads.close()]);
    },
  };
}

/** One connection with its calls. */
class Page {
  readonly #connection: Connection;
  readonly #context: AppContext;
  readonly #log: (text: string) => void;
  readonly #calls = new Map<number, AbortController>();
  readonly #atWork: Set<Promise<void>>;
  #open = true;

  constructor(
    connection: Connection,
    context: AppContext,
    log: (text: string) => void,
    atWork: Set<Promise<void>>,
  ) {
    this.#atWork = atWork;
    this.#connection = connection;
    this.#context = context;
    this.#log = log;
    connection.onMessage((message) => this.#hear(message));
  }

  send(message: HostMessage): void {
    if (this.#open) this.#connection.send(message);
  }

  /** Ends the page's calls: nobody hears their results. */
  end(): void {
    this.#open = false;
    for (const controller of this.#calls.values()) controller.abort();
  }

  close(): void {
    this.end();
    this.#connection.close();
  }

  #hear(message: unknown): void {
    if (!this.#open) return;
    const parsed = clientMessage.safeParse(message);
    // What is no message at all has no number that an answer could bear; two calls of one number have no own answers.
    if (!parsed.success || (parsed.data.kind === 'call' && this.#calls.has(parsed.data.id))) {
      this.#log('a page was closed: it sent what is no message');
      this.close();
      return;
    }
    const { data } = parsed;
    if (data.kind === 'cancel') this.#calls.get(data.id)?.abort();
    else if (this.#calls.size >= mostCalls)
      this.#fail(data.id, `more than ${mostCalls} calls at once; wait for answers`);
    else {
      const controller = new AbortController();
      this.#calls.set(data.id, controller);
      const done = this.#answer(data.id, data.method, data.request, controller.signal).finally(() => {
        this.#calls.delete(data.id);
        this.#atWork.delete(done);
      });
      this.#atWork.add(done);
    }
  }

  #fail(id: number, message: string): void {
    this.send({ kind: 'failed', id, error: { type: 'usage', message } });
  }

  async #answer(id: number, method: string, request: unknown, signal: AbortSignal): Promise<void> {
    const progress = new ProgressThrottle((event) => this.send({ kind: 'progress', id, event }));
    const call: AppCall = {
      signal,
      onProgress: (event) => progress.add(event),
      onPiece: (piece) => this.send({ kind: 'piece', id, piece }),
    };
    try {
      const result = await dispatch(this.#context, method, request, call);
      progress.flush();
      this.send({ kind: 'result', id, result });
    } catch (error) {
      const failure = toCallError(error, { method, signal, log: this.#log });
      progress.flush();
      this.send({ kind: 'failed', id, error: failure });
    } finally {
      progress.drop();
    }
  }
}

/** Parses a request by its method's schema and hands it to its handler. @throws UsageError for what fits no method */
export async function dispatch(
  context: AppContext,
  method: string,
  request: unknown,
  call: AppCall,
): Promise<unknown> {
  // A name from outside must find no method of Object's.
  if (!methodNames.includes(method as MethodName))
    throw new UsageError(`there is no method ${quoted(method)}`);
  const name = method as MethodName;
  const parsed = methods[name].safeParse(request);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue!.path.length === 0 ? '' : `${issue!.path.join('.')}: `;
    throw new UsageError(`${name} was asked wrongly: ${where}${issue!.message}`);
  }
  // Safe: the schema of a method gives its request, which `methods` asserts by type.
  const handler = handlers[name] as Handler<MethodName>;
  await checkNames(context.services, name, parsed.data);
  call.signal.throwIfAborted();
  return handler(context, parsed.data as never, call);
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, 40));
