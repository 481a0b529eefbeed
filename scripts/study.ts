/** The paper study: `npm run study -- --help`. What it does lies in scripts/study/. */
import { InputError, UsageError } from '../src/shared/errors.ts';
import { createServices } from '../src/main/service/index.ts';
import { resolveHome } from '../src/main/service/home.ts';
import { listenForInterrupts, stopsAfterStep } from '../src/main/host/cli/interrupt.ts';
import { createProgressView } from '../src/main/host/cli/progress.ts';
import { carryOut, estimate } from './study/carry-out.ts';
import { parseOptions, usage, type StudyOptions } from './study/options.ts';
import { partNames, partOf, type StudyPart } from './study/parts.ts';
import { writeStudy } from './study/write.ts';

const view = createProgressView({
  write: (text) => void process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true,
  columns: () => process.stderr.columns ?? 100,
  now: () => performance.now(),
});

async function study(options: StudyOptions, signal: AbortSignal): Promise<void> {
  const services = await createServices({ home: resolveHome(options.home) });
  try {
    const call = { signal, onProgress: view.handle };
    const found = options.parts.map((name) => partOf(name, options));
    for (const part of found) if (typeof part === 'string') view.line(part);
    const parts = found.filter((part): part is StudyPart => typeof part !== 'string');
    for (const part of parts) {
      if (options.mode === 'dry-run') {
        const lines = await estimate(services, part, call);
        view.end();
        console.log([part.title, ...lines.map((line) => `  ${line}`), ''].join('\n'));
      } else if (options.mode === 'run') {
        await carryOut(services, part, call, view.line);
        view.end();
        // After each part: whoever looks meanwhile sees what there is.
        await tell(services, options);
      }
    }
    if (options.mode === 'write-only') await tell(services, options);
  } finally {
    view.end();
    await services.close();
  }
}

/** The documents hold all parts that are on record, also those that this call did not ask for. */
async function tell(
  services: Awaited<ReturnType<typeof createServices>>,
  options: StudyOptions,
): Promise<void> {
  const parts = partNames.map((name) => partOf(name, options)).filter((part) => typeof part !== 'string');
  for (const file of await writeStudy(services, parts, options)) console.log(file);
}

const controller = new AbortController();
try {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) console.log(usage);
  else {
    listenForInterrupts({
      source: process,
      controller,
      say: () => view.line(stopsAfterStep),
      quit: () => process.exit(130),
      now: () => performance.now(),
    });
    await study(options, controller.signal);
  }
} catch (error) {
  if (controller.signal.aborted) {
    console.error('study: stopped; the same command goes on from here');
    process.exitCode = 130;
  } else if (error instanceof UsageError || error instanceof InputError) {
    console.error(`study: ${error.message}${error instanceof UsageError ? ' (see --help)' : ''}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  } else {
    throw error;
  }
}
