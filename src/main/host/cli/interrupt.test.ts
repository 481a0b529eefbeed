import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { listenForInterrupts } from './interrupt.ts';

function start() {
  const source = new EventEmitter();
  const controller = new AbortController();
  const said: string[] = [];
  const state = { quits: 0, time: 1000 };
  const stop = listenForInterrupts({
    source,
    controller,
    say: () => said.push('heard'),
    quit: () => (state.quits += 1),
    now: () => state.time,
  });
  return { source, controller, said, state, stop };
}

describe('Ctrl-C', () => {
  it('aborts at the first press and quits at the second', () => {
    const { source, controller, said, state } = start();
    source.emit('SIGINT');
    expect(controller.signal.aborted).toBe(true);
    expect(said).toEqual(['heard']);
    expect(state.quits).toBe(0);
    state.time += 1000;
    source.emit('SIGINT');
    expect(state.quits).toBe(1);
  });

  it('takes the copy that npm passes on for the same press', () => {
    const { source, state } = start();
    source.emit('SIGINT');
    state.time += 20;
    source.emit('SIGINT');
    expect(state.quits).toBe(0);
  });

  it('stops listening when told to', () => {
    const { source, controller, stop } = start();
    stop();
    source.emit('SIGINT');
    expect(source.listenerCount('SIGINT')).toBe(0);
    expect(controller.signal.aborted).toBe(false);
  });
});
