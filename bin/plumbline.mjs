#!/usr/bin/env node
import { fileURLToPath } from 'node:url';

// Plain JavaScript on purpose: it must run far enough on an old Node to say which Node is needed.
// better-sqlite3 13 ends the process without a message below Node 22, so nothing native loads before this check.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `plumbline: needs Node 22.18 or newer, this is ${process.versions.node}; run it as "npm run -s plumbline -- <command>", which brings its own Node 24\n`,
  );
  process.exit(1);
}
// What was compiled for one command is there for the next: half of the time that a start takes. Where the folder cannot be
// written, it is as without.
const { enableCompileCache } = await import('node:module');
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/plumbline', import.meta.url)));
const { main } = await import('../src/main/host/cli/main.ts');
process.exitCode = await main(process.argv.slice(2));
