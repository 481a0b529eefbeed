import type { Services } from '../../../shared/contract.ts';
import { InputError, UsageError } from '../../../shared/errors.ts';

type Fields = Readonly<Record<string, unknown>>;

const kinds = {
  model: 'model',
  data: 'data',
  against: 'data',
  evalData: 'data',
  project: 'project',
} as const;
const words = { model: 'model', data: 'dataset', project: 'project' } as const;
/** Settings that name files of the machine, and what a page may say there. */
const pathSettings: Readonly<Record<string, readonly unknown[]>> = { initAdapter: [], reference: ['base'] };
/** Fields that give a thing its name. */
const newNames: Readonly<Record<string, string>> = {
  addModel: 'name',
  addData: 'name',
  renameModel: 'to',
  judgingToData: 'name',
};
/** What somebody could take for a path once nothing bears the name any more. */
const pathLike = /[/\\]|^\.{1,2}$|^~/;

/**
 * Refuses every name in a request that is not in the library. Services take a name or a path: what a page says must
 * never reach them as a path.
 * @param request as its schema has parsed it
 * @throws InputError for the first name that nothing bears, UsageError for a setting that could only be a path
 */
export async function checkNames(services: Services, method: string, request: unknown): Promise<void> {
  const objects = objectsWithNames(request as Fields);
  for (const [field, allowed] of Object.entries(pathSettings)) {
    if (objects.some(({ [field]: value }) => value !== undefined && !allowed.includes(value)))
      throw new UsageError(`${field} is a file of the machine, which the app cannot name`);
  }
  for (const fields of objects) {
    for (const [field, kind] of Object.entries(kinds)) {
      const name = fields[field];
      // What is no text here is refused by whoever parses it: none of them takes it for a name.
      if (typeof name !== 'string' || (await services.isKnown({ kind, name }))) continue;
      throw new InputError(`there is no ${words[kind]} of this name in the library`, { file: name });
    }
  }
  const newName = (request as Fields)[newNames[method] ?? ''];
  if (typeof newName === 'string' && pathLike.test(newName))
    throw new InputError('a name must hold no slashes and not begin with ~', { file: newName });
}

/** The request itself, and those of its parts that hold names. */
function objectsWithNames(request: Fields): Fields[] {
  const part = (of: Fields, name: string): Fields => (of[name] ?? {}) as Fields;
  const work = part(part(request, 'work'), 'request');
  const policies = (request['policies'] ?? []) as readonly Fields[];
  return [
    request,
    part(request, 'policy'),
    ...policies,
    part(request, 'prompts'),
    work,
    part(work, 'shared'),
    part(work, 'config'),
    part(work, 'task'),
  ];
}
