/** Rooms and the one direction their imports may point in (docs/architecture.md). */
const rooms = {
  shared: 'src/shared',
  formats: 'src/main/formats',
  engine: 'src/main/engine',
  store: 'src/main/store',
  training: 'src/main/training',
  service: 'src/main/service',
  host: 'src/main/host',
  renderer: 'src/renderer',
};
const mayImport = {
  shared: [],
  formats: ['shared'],
  engine: ['formats', 'shared'],
  store: ['shared'],
  training: ['engine', 'store', 'formats', 'shared'],
  service: ['training', 'store', 'formats', 'shared'],
  host: ['service', 'shared'],
  renderer: ['shared'],
};

const directions = Object.entries(mayImport).map(([room, allowed]) => ({
  name: `${room}-imports-only-${allowed.join('-') || 'itself'}`,
  severity: 'error',
  from: { path: `^${rooms[room]}/`, pathNot: '\\.test\\.ts$' },
  to: { path: '^src/', pathNot: [room, ...allowed].map((name) => `^${rooms[name]}/`) },
}));

export default {
  forbidden: [
    ...directions,
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'engine-knows-no-database',
      severity: 'error',
      from: { path: '^src/(shared|renderer|main/(engine|formats))/' },
      to: { path: 'better-sqlite3|electron' },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'shared-is-pure',
      severity: 'error',
      from: { path: '^src/shared/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      // Everything else takes Electron's parts as given, so that it runs where Electron does not.
      name: 'electron-enters-once',
      severity: 'error',
      from: { path: '^(src|test|scripts)/', pathNot: '^src/main/host/desktop/(main|preload)\\.ts$' },
      to: { path: '(^|/)node_modules/electron/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'renderer-knows-no-node',
      severity: 'error',
      from: { path: '^src/renderer/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
