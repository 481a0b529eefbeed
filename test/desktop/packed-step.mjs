/**
 * Run from a packed program by the test of packing: opens the database and trains for one step on the example that comes
 * with it. Arguments: the unpacked archive, the resources, a home. Prints one line of JSON.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [archive, resources, home] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(archive, path)).href);
const { createServices } = await load('dist/main/service/index.js');
const { parseRunConfig } = await load('dist/shared/config.js');
const example = join(resources, 'example');
const services = await createServices({ home, example });
const { empty, example: found } = await services.overview();
const result = await services.train({
  start: { model: join(example, 'model') },
  data: join(example, 'train.jsonl'),
  pairs: 8,
  config: parseRunConfig({ loss: 'dpo', beta: 0.1, steps: 1, batchSize: 8, threads: 1, seed: 0 }),
  metrics: join(home, 'metrics.jsonl'),
  adapterOut: join(home, 'adapter'),
});
await services.close();
// What this process has loaded of native code must have come from the packed tree.
const { sharedObjects } = process.report.getReport();
console.log(
  JSON.stringify({
    empty,
    available: found.available,
    loss: result.first.loss,
    steps: result.steps,
    native: sharedObjects.filter((file) => file.includes('node_modules')),
  }),
);
