import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { z } from 'zod';
import { UsageError } from '../../../../shared/errors.ts';
import { plural } from '../../../../shared/format.ts';
import { defineCommand } from '../command.ts';
import { numberText, toggle, withDefault } from '../option.ts';

const group = 'Options';
const port = z
  .number()
  .int({ error: 'must be a whole number' })
  .min(0, { error: 'must be from 0 to 65535' })
  .max(65_535, { error: 'must be from 0 to 65535' });

/** A browser can be shown: elsewhere the address is all that helps (a server, a container). */
function hasDisplay(): boolean {
  if (process.platform !== 'linux') return true;
  return Boolean(process.env['DISPLAY'] ?? process.env['WAYLAND_DISPLAY']);
}

/** Opens the person's browser. Where that does not work they have the address. */
function openBrowser(address: string): void {
  const [program, args] =
    process.platform === 'darwin'
      ? ['open', [address]]
      : process.platform === 'win32'
        ? // Not by the shell: it would read the address's "&".
          ['rundll32', ['url.dll,FileProtocolHandler', address]]
        : ['xdg-open', [address]];
  const child = spawn(program as string, args as string[], { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}

export const serve = defineCommand({
  name: 'serve',
  summary: 'show the app in a browser on this machine',
  details: [
    'Prints an address that holds a token, and serves the app there until Ctrl-C: then jobs at work end with a checkpoint, ' +
      'as for "runs pause". Only this machine can reach it, and only a browser that was opened at that address.',
  ],
  stopping: 'closing',
  positionals: [],
  options: {
    port: withDefault({
      flag: 'port',
      placeholder: 'N',
      parse: numberText(port),
      absent: 0,
      defaultText: 'any that is free',
      help: 'port on 127.0.0.1',
      group,
    }),
    open: toggle({ flag: 'open', help: 'open the browser, also where no display was found', group }),
    noOpen: toggle({ flag: 'no-open', help: 'only print the address', group }),
  },
  examples: ['serve', 'serve --port 8080 --no-open', 'serve --json --no-open'],
  run: async (context, { options }) => {
    if (options.open && options.noOpen) throw new UsageError('--open and --no-open exclude each other');
    const { startWebHost } = await import('../../web/start.ts');
    const { signal } = context.call;
    const services = await context.services();
    const host = await startWebHost({ services, home: context.home(), port: options.port });
    try {
      const { address, port: at } = host;
      context.tell({ address, port: at }, address);
      if (options.open || (!options.noOpen && hasDisplay())) openBrowser(address);
      if (signal?.aborted === false) await once(signal, 'abort');
      const atWork = (await services.listQueue()).jobs.filter(({ status }) => status !== 'queued').length;
      if (atWork > 0) context.note(`${plural(atWork, 'job')} at work first: press again to quit at once`);
    } finally {
      await host.close();
    }
    return undefined;
  },
  render: () => '',
});
