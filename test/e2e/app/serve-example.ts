/** The program with another folder in the bundled example's place: `node serve-example.ts FOLDER serve …`. */
import { main } from '../../../src/main/host/cli/main.ts';
import { createServices } from '../../../src/main/service/index.ts';

const [example = '', ...args] = process.argv.slice(2);
process.exitCode = await main(args, (options) => createServices({ ...options, example }));
