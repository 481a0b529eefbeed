import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { CompareRequest, TrainRequest } from '../../shared/contract.ts';
import type { Library } from './library.ts';

/** A request with every path absolute, so that it means the same wherever and whenever it is carried out. */
export function absoluteTrain(library: Library, request: TrainRequest): TrainRequest {
  const { start, config } = request;
  return {
    ...request,
    start: 'init' in start ? { init: resolve(start.init) } : { model: modelPlace(library, start.model) },
    data: dataPlace(library, request.data),
    config: { ...config, ...absoluteConfig(library, config) },
    metrics: resolve(request.metrics),
    adapterOut: resolve(request.adapterOut),
  };
}

export function absoluteCompare(library: Library, request: CompareRequest): CompareRequest {
  const { taskData, out, report, shared } = request;
  return {
    ...request,
    model: modelPlace(library, request.model),
    data: dataPlace(library, request.data),
    shared: { ...shared, ...absoluteConfig(library, shared) },
    ...(taskData === undefined ? {} : { taskData: dataPlace(library, taskData) }),
    ...(out === undefined ? {} : { out: resolve(out) }),
    ...(report === undefined ? {} : { report: resolve(report) }),
  };
}

interface Paths {
  readonly initAdapter?: string | undefined;
  readonly reference?: string | undefined;
  readonly evalData?: string | undefined;
}

function absoluteConfig(
  library: Library,
  { initAdapter, reference, evalData }: Paths,
): Partial<Record<keyof Paths, string>> {
  return {
    ...(initAdapter === undefined ? {} : { initAdapter: resolve(initAdapter) }),
    ...(reference === undefined ? {} : { reference: reference === 'base' ? reference : resolve(reference) }),
    ...(evalData === undefined ? {} : { evalData: dataPlace(library, evalData) }),
  };
}

const modelPlace = ({ store }: Library, nameOrPath: string): string =>
  place(nameOrPath, store.models.findByName(nameOrPath) !== undefined);
const dataPlace = ({ store }: Library, nameOrPath: string): string =>
  place(nameOrPath, store.datasets.findByName(nameOrPath) !== undefined);

function place(nameOrPath: string, isName: boolean): string {
  return isName || !existsSync(nameOrPath) ? nameOrPath : resolve(nameOrPath);
}
