/**
 * Stands for the parts of Electron that the desktop uses, where its program is not at hand. Electron's own declarations
 * type it, so what they change fails to compile here. Processes are real ones, ports copy as real ones do.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { fileURLToPath } from 'node:url';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type * as Electron from 'electron';
import type { ElectronParts } from '../../src/main/host/desktop/electron.ts';

/** An event that can be prevented, as Electron gives them. */
export function preventable<Fields extends object>(fields: Fields): Fields & { defaultPrevented: boolean } {
  const event = {
    ...fields,
    defaultPrevented: false,
    preventDefault: () => void (event.defaultPrevented = true),
  };
  return event;
}

export class StandInApp
  extends EventEmitter
  implements
    Pick<Electron.App, 'requestSingleInstanceLock' | 'setPath' | 'whenReady' | 'quit' | 'exit' | 'isPackaged'>
{
  readonly isPackaged = true;
  readonly paths: Record<string, string> = {};
  isFirst = true;
  /** Fulfilled with the exit code when the program is over. */
  readonly over: Promise<number>;
  #end!: (code: number) => void;
  quits = 0;

  constructor() {
    super();
    this.over = new Promise((resolve) => (this.#end = resolve));
  }
  requestSingleInstanceLock(): boolean {
    return this.isFirst;
  }
  setPath(name: string, path: string): void {
    this.paths[name] = path;
  }
  async whenReady(): Promise<void> {}
  quit(): void {
    this.quits += 1;
    const event = preventable({});
    this.emit('before-quit', event);
    if (!event.defaultPrevented) this.exit(0);
  }
  exit(code = 0): void {
    this.#end(code);
  }
}

type BeforeRequest = Parameters<Electron.WebRequest['onBeforeRequest']>[0];

export class StandInSession extends EventEmitter {
  permissionRequest: Parameters<Electron.Session['setPermissionRequestHandler']>[0] = null;
  permissionCheck: Parameters<Electron.Session['setPermissionCheckHandler']>[0] = null;
  device: Parameters<Electron.Session['setDevicePermissionHandler']>[0] = null;
  beforeRequest: BeforeRequest = null;
  readonly served = new Map<string, (request: Request) => Response | Promise<Response>>();
  setPermissionRequestHandler: Electron.Session['setPermissionRequestHandler'] = (handler) =>
    void (this.permissionRequest = handler);
  setPermissionCheckHandler: Electron.Session['setPermissionCheckHandler'] = (handler) =>
    void (this.permissionCheck = handler);
  setDevicePermissionHandler: Electron.Session['setDevicePermissionHandler'] = (handler) =>
    void (this.device = handler);
  readonly webRequest = {
    onBeforeRequest: (listener: BeforeRequest) => void (this.beforeRequest = listener),
  };
  readonly protocol: Pick<Electron.Protocol, 'handle'> = {
    handle: (scheme, handler) => void this.served.set(scheme, handler),
  };
}

/** A frame, to which ports are sent. */
export class StandInFrame implements Pick<Electron.WebFrameMain, 'origin' | 'url' | 'postMessage'> {
  readonly received: { channel: string; ports: readonly StandInPort[] }[] = [];
  origin: string;
  url: string;
  constructor(url: string) {
    this.url = url;
    this.origin = /^[a-z]+:\/\/[^/]*/.exec(url)?.[0] ?? 'null';
  }
  postMessage: Electron.WebFrameMain['postMessage'] = (channel, _message, ports = []) =>
    void this.received.push({ channel, ports: ports as unknown as StandInPort[] });
}

type OpenHandler = Parameters<Electron.WebContents['setWindowOpenHandler']>[0];

export class StandInContents
  extends EventEmitter
  implements Pick<Electron.WebContents, 'setWindowOpenHandler'>
{
  mainFrame = new StandInFrame('about:blank');
  openHandler: OpenHandler | undefined;
  setWindowOpenHandler(handler: OpenHandler): void {
    this.openHandler = handler;
  }
}

export class StandInWindow
  extends EventEmitter
  implements
    Pick<
      Electron.BrowserWindow,
      | 'loadURL'
      | 'show'
      | 'hide'
      | 'focus'
      | 'restore'
      | 'maximize'
      | 'isFocused'
      | 'isMinimized'
      | 'isMaximized'
      | 'isDestroyed'
      | 'getNormalBounds'
      | 'setProgressBar'
    >
{
  static all: StandInWindow[] = [];
  readonly webContents = new StandInContents();
  readonly options: Electron.BrowserWindowConstructorOptions;
  bounds: Electron.Rectangle;
  focused = false;
  minimized = false;
  maximized = false;
  destroyed = false;
  shown = false;
  progress: number[] = [];

  constructor(options: Electron.BrowserWindowConstructorOptions, app: StandInApp) {
    super();
    this.options = options;
    const { x = 0, y = 0, width = 800, height = 600 } = options;
    this.bounds = { x, y, width, height };
    StandInWindow.all.push(this);
    app.emit('web-contents-created', {}, this.webContents);
  }
  async loadURL(url: string): Promise<void> {
    this.webContents.mainFrame = new StandInFrame(url);
    this.emit('ready-to-show');
  }
  show(): void {
    this.shown = true;
    this.focused = true;
  }
  hide(): void {
    this.shown = false;
  }
  focus(): void {
    this.focused = true;
  }
  restore(): void {
    this.minimized = false;
  }
  maximize(): void {
    this.maximized = true;
  }
  isFocused = (): boolean => this.focused;
  isMinimized = (): boolean => this.minimized;
  isMaximized = (): boolean => this.maximized;
  isDestroyed = (): boolean => this.destroyed;
  getNormalBounds = (): Electron.Rectangle => this.bounds;
  setProgressBar(progress: number): void {
    this.progress.push(progress);
  }
  /** As a person closes it. */
  close(): void {
    this.emit('close', preventable({}));
    this.destroyed = true;
    this.emit('closed');
  }
}

/** One end of a channel. Nothing arrives before it is started, and all is copied, as Electron does. */
export class StandInPort
  extends EventEmitter
  implements Pick<Electron.MessagePortMain, 'postMessage' | 'start' | 'close'>
{
  readonly #port: MessagePort;
  constructor(port: MessagePort) {
    super();
    this.#port = port;
    port.on('close', () => this.emit('close'));
  }
  postMessage(message: unknown): void {
    this.#port.postMessage(message);
  }
  start(): void {
    this.#port.on('message', (data: unknown) => this.emit('message', { data, ports: [] }));
  }
  close(): void {
    this.#port.close();
  }
}

class StandInChannel {
  readonly port1: StandInPort;
  readonly port2: StandInPort;
  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.port1 = new StandInPort(port1);
    this.port2 = new StandInPort(port2);
  }
}

export class StandInIpc extends EventEmitter {
  readonly handlers = new Map<string, Parameters<Electron.IpcMain['handle']>[1]>();
  handle(channel: string, handler: Parameters<Electron.IpcMain['handle']>[1]): void {
    this.handlers.set(channel, handler);
  }
}

export class StandInNotification extends EventEmitter implements Pick<Electron.Notification, 'show'> {
  static all: StandInNotification[] = [];
  static isSupported = (): boolean => true;
  readonly options: Electron.NotificationConstructorOptions;
  constructor(options: Electron.NotificationConstructorOptions = {}) {
    super();
    this.options = options;
  }
  show(): void {
    StandInNotification.all.push(this);
  }
}

/** A utility process: Node's fork, behind Electron's ways of telling. */
export class StandInUtility
  extends EventEmitter
  implements Pick<Electron.UtilityProcess, 'postMessage' | 'kill' | 'pid'>
{
  pid: number | undefined;
  readonly stdout: ChildProcess['stdout'];
  readonly stderr: ChildProcess['stderr'];
  readonly #child: ChildProcess;

  constructor(app: StandInApp, file: string, options: Electron.ForkOptions) {
    super();
    this.#child = fork(file, [], {
      execArgv: [
        '--disable-warning=ExperimentalWarning',
        '--import',
        fileURLToPath(new URL('./parent-port.ts', import.meta.url)),
      ],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.stdout = this.#child.stdout;
    this.stderr = this.#child.stderr;
    this.#child.once('spawn', () => {
      this.pid = this.#child.pid;
      this.emit('spawn');
    });
    this.#child.on('message', (sent) => this.emit('message', (sent as { message: unknown }).message));
    this.#child.once('exit', (code, signal) => {
      this.pid = undefined;
      const reason = signal === null ? (code === 0 ? 'clean-exit' : 'abnormal-exit') : 'killed';
      // As waitpid tells it on POSIX.
      const exitCode = code ?? 9;
      this.emit('exit', exitCode);
      const name = options.serviceName ?? 'Node Utility Process';
      const details: Electron.Details = { type: 'Utility', reason, exitCode, name };
      if (reason !== 'clean-exit') app.emit('child-process-gone', {}, details);
    });
  }
  postMessage(message: unknown): void {
    // Electron would lose it.
    if (this.pid === undefined) throw new Error('posted before the process was there');
    this.#child.send(message as object);
  }
  kill(): boolean {
    return this.#child.kill('SIGTERM');
  }
}

/** What a person answers in dialogs, and what they were asked. */
export class StandInDialog {
  readonly asked: Electron.MessageBoxOptions[] = [];
  readonly openOptions: Electron.OpenDialogOptions[] = [];
  answer = 1;
  chosen: string[] = [];
  target = '';
  readonly errors: string[] = [];
  async showMessageBox(...given: unknown[]): Promise<Electron.MessageBoxReturnValue> {
    this.asked.push(given.at(-1) as Electron.MessageBoxOptions);
    return { response: this.answer, checkboxChecked: false };
  }
  async showOpenDialog(...given: unknown[]): Promise<Electron.OpenDialogReturnValue> {
    this.openOptions.push(given.at(-1) as Electron.OpenDialogOptions);
    return { canceled: this.chosen.length === 0, filePaths: this.chosen };
  }
  async showSaveDialog(): Promise<Electron.SaveDialogReturnValue> {
    return { canceled: this.target === '', filePath: this.target };
  }
  showErrorBox(_title: string, content: string): void {
    this.errors.push(content);
  }
}

const display = (x: number, width: number, height: number): Pick<Electron.Display, 'workArea'> => ({
  workArea: { x, y: 0, width, height },
});

/** Everything together, each part reachable by tests. */
export function standInElectron() {
  const app = new StandInApp();
  const session = new StandInSession();
  const ipcMain = new StandInIpc();
  const dialog = new StandInDialog();
  const opened: string[] = [];
  const schemes: Electron.CustomScheme[] = [];
  const menus: Electron.MenuItemConstructorOptions[][] = [];
  const utilities: StandInUtility[] = [];
  const displays = [display(0, 1920, 1080)];
  StandInWindow.all = [];
  StandInNotification.all = [];
  const Menu = {
    buildFromTemplate: (template: Electron.MenuItemConstructorOptions[]) => {
      menus.push(template);
      return {} as Electron.Menu;
    },
    setApplicationMenu: (_menu: Electron.Menu | null) => undefined,
  } satisfies Pick<typeof Electron.Menu, 'buildFromTemplate' | 'setApplicationMenu'>;
  const shell = {
    openExternal: async (url: string) => void opened.push(url),
  } satisfies Pick<Electron.Shell, 'openExternal'>;
  const protocol = {
    registerSchemesAsPrivileged: (given: Electron.CustomScheme[]) => void schemes.push(...given),
  } satisfies Pick<Electron.Protocol, 'registerSchemesAsPrivileged'>;
  const utilityProcess = {
    fork: (file: string, _args: string[] = [], options: Electron.ForkOptions = {}) => {
      const child = new StandInUtility(app, file, options);
      utilities.push(child);
      return child as unknown as Electron.UtilityProcess;
    },
  } satisfies Pick<typeof Electron.utilityProcess, 'fork'>;
  class Window extends StandInWindow {
    constructor(options: Electron.BrowserWindowConstructorOptions) {
      super(options, app);
    }
  }
  const parts = {
    app,
    BrowserWindow: Window,
    dialog,
    ipcMain,
    Menu,
    MessageChannelMain: StandInChannel,
    Notification: StandInNotification,
    protocol,
    screen: { getAllDisplays: () => displays },
    session: { defaultSession: session },
    shell,
    utilityProcess,
  } satisfies Record<keyof ElectronParts, unknown>;
  return {
    /** As the program gets it. */
    electron: parts as unknown as ElectronParts,
    app,
    session,
    ipcMain,
    dialog,
    opened,
    schemes,
    menus,
    utilities,
    displays,
    window: (): StandInWindow => StandInWindow.all.at(-1)!,
    notifications: () => StandInNotification.all,
  };
}

export type StandIn = ReturnType<typeof standInElectron>;
