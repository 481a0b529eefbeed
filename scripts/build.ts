/**
 * Builds what ships into dist/: the page (dist/renderer), the program (dist/main and dist/shared, the tree of src/ as
 * JavaScript) and the desktop's preload script. `--stale` leaves out what is newer than everything it is made of.
 * Types are checked by `npm run check`, not here.
 */
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import ts from 'typescript';
import { build as viteBuild } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const common = ['package.json', 'tsconfig.json', 'scripts/build.ts'];

interface Part {
  readonly name: string;
  /** What it is made of, as globs. */
  readonly sources: readonly string[];
  /** Written last. */
  readonly mark: string;
  readonly make: () => Promise<void> | void;
}

const parts: readonly Part[] = [
  {
    name: 'page',
    sources: ['src/renderer/**/*', 'src/shared/**/*', 'vite.config.ts', 'svelte.config.js'],
    mark: 'dist/renderer/index.html',
    make: () => bundle('vite.config.ts'),
  },
  {
    name: 'program',
    sources: ['src/main/**/*', 'src/shared/**/*', 'tsconfig.build.json'],
    mark: 'dist/main/built',
    make: compile,
  },
  {
    name: 'preload',
    sources: [
      'src/main/host/desktop/preload.ts',
      'src/main/host/desktop/channels.ts',
      'vite.preload.config.ts',
    ],
    mark: 'dist/preload/preload.cjs',
    make: () => bundle('vite.preload.config.ts'),
  },
];

async function bundle(config: string): Promise<void> {
  await viteBuild({ configFile: join(root, config), logLevel: 'warn' });
}

/** Tests and what only they use. */
const forTests = /(\.test|\/testing|\/test-[^/]+)\.ts$/;

/** Every module by itself: a file in src/ becomes the file of the same place in dist/. */
function compile(): void {
  const config = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.build.json'), undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
      throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'));
    },
  })!;
  for (const folder of ['dist/main', 'dist/shared'])
    rmSync(join(root, folder), { recursive: true, force: true });
  const files = globSync('src/{main,shared}/**/*', { cwd: root, withFileTypes: false }).filter(
    (file) => statSync(join(root, file)).isFile() && !forTests.test(file),
  );
  for (const file of files) {
    const target = join(root, 'dist', file.slice('src/'.length));
    mkdirSync(dirname(target), { recursive: true });
    if (extname(file) !== '.ts') {
      copyFileSync(join(root, file), target);
      continue;
    }
    const { outputText, diagnostics = [] } = ts.transpileModule(readFileSync(join(root, file), 'utf8'), {
      compilerOptions: config.options,
      fileName: join(root, file),
      reportDiagnostics: true,
    });
    if (diagnostics.length > 0)
      throw new Error(`${file}: ${ts.flattenDiagnosticMessageText(diagnostics[0]!.messageText, '\n')}`);
    writeFileSync(target.replace(/\.ts$/, '.js'), outputText);
  }
  writeFileSync(join(root, 'dist/main/built'), '');
}

function isStale({ sources, mark }: Part): boolean {
  const made = join(root, mark);
  if (!existsSync(made)) return true;
  const at = statSync(made).mtimeMs;
  return globSync([...sources, ...common], { cwd: root }).some(
    (file) => statSync(join(root, file)).mtimeMs > at,
  );
}

/**
 * Builds parts of what ships.
 * @param names absent: all
 * @param stale only what is missing or older than what it is made of
 */
export async function build({
  names,
  stale = false,
}: { names?: readonly string[]; stale?: boolean } = {}): Promise<void> {
  for (const part of parts)
    if ((names === undefined || names.includes(part.name)) && (!stale || isStale(part))) await part.make();
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { stale: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const unknown = positionals.find((name) => !parts.some((part) => part.name === name));
  if (unknown !== undefined) {
    console.error(`build: there is no ${unknown}; parts are ${parts.map(({ name }) => name).join(', ')}`);
    process.exitCode = 2;
  } else await build({ ...(positionals.length > 0 ? { names: positionals } : {}), stale: values.stale });
}
