import type { CDPSession } from 'playwright-core';

/**
 * Makes the page's clock stand still but for `turn`, so that an hour passes as fast as the page can follow it, and counts
 * the messages of its WebSocket. Timers below 20 ms are left to the browser: they put off work, they do not wait.
 */
export const standingClock = `(() => {
  const [later, forget] = [setTimeout, clearTimeout];
  const timers = new Map();
  let now = Date.now();
  let lastTimer = 1e9;
  const add = (work, wait, every, values) => {
    timers.set(++lastTimer, { due: now + wait, every, work: () => work(...values) });
    return lastTimer;
  };
  Date.now = () => now;
  window.setTimeout = (work, wait = 0, ...values) =>
    wait < 20 ? later(work, wait, ...values) : add(work, wait, undefined, values);
  window.setInterval = (work, wait = 0, ...values) => add(work, wait, Math.max(20, wait), values);
  window.clearTimeout = window.clearInterval = (timer) => {
    if (!timers.delete(timer)) forget(timer);
  };
  const frame = () => new Promise((done) => requestAnimationFrame(() => later(done)));
  const counts = { pushes: 0, calls: 0, answers: 0 };
  let wake = () => undefined;
  window.WebSocket = class extends WebSocket {
    constructor(...values) {
      super(...values);
      this.addEventListener('message', ({ data }) => {
        const [, kind] = /"kind":"(\\w+)"/.exec(data.slice(0, 40)) ?? [];
        if (kind === 'runs') counts.pushes += 1;
        if (kind === 'result' || kind === 'failed') counts.answers += 1;
        later(wake);
      });
    }
    send(text) {
      if (text.startsWith('{"kind":"call"')) counts.calls += 1;
      super.send(text);
    }
  };
  const until = async (isSo) => {
    while (!isSo()) await new Promise((done) => (wake = done));
  };
  const settled = async () => {
    for (let before = -1; before !== counts.calls; ) {
      before = counts.calls;
      await until(() => counts.answers >= counts.calls);
      await frame();
    }
  };
  window.standingClock = {
    counts,
    timers,
    settled,
    async turn(pushes, milliseconds) {
      await until(() => counts.pushes >= pushes);
      const calls = counts.calls;
      now += milliseconds;
      for (const [timer, { due, every, work }] of [...timers]) {
        if (due > now || !timers.has(timer)) continue;
        if (every === undefined) timers.delete(timer);
        else timers.get(timer).due += every;
        work();
      }
      // What charts ask together goes out in the next moment.
      await new Promise((done) => later(done));
      if (counts.calls > calls) await settled();
    },
  };
})()`;

/** Runs a promise in the page's own world. */
export async function inPage<Value>(session: CDPSession, expression: string): Promise<Value> {
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    expression,
    awaitPromise: true,
    returnByValue: true,
  });
  if (exceptionDetails)
    throw new Error(exceptionDetails.exception?.description ?? `${expression}: ${exceptionDetails.text}`);
  return result.value as Value;
}

/** Megabytes (10⁶) that the page's script holds after a collection: objects, what they hold of the browser's, and arrays. */
export async function heapMegabytes(session: CDPSession): Promise<number> {
  // Finalizers run after a collection; what they let go is found by the next one.
  for (let each = 0; each < 2; each += 1) await session.send('HeapProfiler.collectGarbage');
  const usage = (await session.send('Runtime.getHeapUsage')) as {
    usedSize: number;
    embedderHeapUsedSize?: number;
    backingStorageSize?: number;
  };
  const { usedSize, embedderHeapUsedSize = 0, backingStorageSize = 0 } = usage;
  return (usedSize + embedderHeapUsedSize + backingStorageSize) / 1e6;
}
