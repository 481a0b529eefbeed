import { spawn } from 'node:child_process';

const reason = 'a training is running';

/** What keeps this system awake for as long as a process lives, or undefined where nothing is known that does. */
function watcherOf(pid: number, platform: NodeJS.Platform): readonly [string, ...string[]] | undefined {
  switch (platform) {
    case 'linux':
      return [
        'systemd-inhibit',
        '--what=idle:sleep',
        '--who=Plumbline',
        `--why=${reason}`,
        '--mode=block',
        'sh',
        '-c',
        `while kill -0 ${pid} 2>/dev/null; do sleep 1; done`,
      ];
    case 'darwin':
      return ['caffeinate', '-i', '-w', String(pid)];
    case 'win32':
      return [
        'powershell.exe',
        '-NoProfile',
        '-NonInteractive',
        '-WindowStyle',
        'Hidden',
        '-Command',
        // ES_CONTINUOUS | ES_SYSTEM_REQUIRED, which holds as long as the thread that asked for it.
        "$kernel = Add-Type -PassThru -Name Kernel -Namespace Plumbline -MemberDefinition '" +
          '[DllImport("kernel32.dll")] public static extern uint SetThreadExecutionState(uint flags);' +
          "'; $kernel::SetThreadExecutionState([uint32]2147483649) | Out-Null; " +
          `Wait-Process -Id ${pid} -ErrorAction SilentlyContinue`,
      ];
    default:
      return undefined;
  }
}

/**
 * Keeps the machine from going to sleep while a process runs, by the system's own means; does nothing where they are
 * missing or refuse. It watches the process by itself, so it ends with it even where the caller has died before.
 * @param pid the process at work
 * @returns lets the machine sleep again
 */
export function keepAwake(pid: number, platform: NodeJS.Platform = process.platform): () => void {
  const watcher = watcherOf(pid, platform);
  if (!watcher) return () => undefined;
  const [program, ...given] = watcher;
  const isWindows = platform === 'win32';
  // A group of its own: Ctrl-C in a terminal must not let the machine sleep while a last checkpoint is written.
  const child = spawn(program, given, { stdio: 'ignore', detached: !isWindows, windowsHide: true });
  let ended = false;
  child.once('error', () => (ended = true));
  child.once('exit', () => (ended = true));
  child.unref();
  return () => {
    if (ended || child.pid === undefined) return;
    try {
      if (isWindows) child.kill();
      else process.kill(-child.pid, 'SIGTERM');
    } catch {
      // It ended by itself.
    }
  };
}
