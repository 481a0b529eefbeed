import type { HostMessage } from '../../../shared/app/protocol.ts';
import type { Services } from '../../../shared/contract.ts';
import type { Connection } from './connection.ts';

/** A page without a network: what is sent to it is kept. */
export class TestPage implements Connection {
  readonly sent: HostMessage[] = [];
  open = true;
  #listen: (message: unknown) => void = () => undefined;
  readonly #closing: (() => void)[] = [];
  readonly #waiting = new Set<() => void>();

  send(message: HostMessage): void {
    this.sent.push(message);
    for (const wake of this.#waiting) wake();
  }
  onMessage(listener: (message: unknown) => void): void {
    this.#listen = listener;
  }
  onClose(listener: () => void): void {
    this.#closing.push(listener);
  }
  close(): void {
    if (!this.open) return;
    this.open = false;
    for (const listener of this.#closing) listener();
  }

  say(message: unknown): void {
    this.#listen(message);
  }

  /** The answer to a call. */
  async answer(id: number): Promise<HostMessage & { kind: 'result' | 'failed' }> {
    for (;;) {
      for (const message of this.sent)
        if ((message.kind === 'result' || message.kind === 'failed') && message.id === id) return message;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }
}

/** The same services, with every call of theirs noted by its name. */
export function recorded(services: Services, calls: string[]): Services {
  return new Proxy(services, {
    get(target, name, receiver) {
      calls.push(String(name));
      return Reflect.get(target, name, receiver) as unknown;
    },
  });
}
