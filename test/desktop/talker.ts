/** A worker that does as it is told, for the tests of how processes are started and end. */
import { openChannel } from '../../src/main/training/channel.ts';

interface Order {
  readonly say: readonly unknown[];
  readonly then: 'end' | 'throw' | 'reject' | 'hang';
}

const { onMessage, send, sendAndEnd } = openChannel<Order, unknown>();
onMessage(({ say, then }) => {
  for (const each of say) send(each);
  if (then === 'end') sendAndEnd('last');
  else if (then === 'throw') throw new Error('thrown on purpose');
  else if (then === 'reject') void Promise.reject(new Error('rejected on purpose'));
  // The runtime blocks its process like this, for as long as a step takes.
  else
    setTimeout(() => {
      for (;;);
    }, 50);
});
