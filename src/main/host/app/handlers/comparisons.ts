import { InputError } from '../../../../shared/errors.ts';
import type { Handlers } from '../handler.ts';

export const comparisonHandlers = {
  async report({ services, downloads }, { comparison }) {
    const { runs } = await services.listRuns({});
    const run = runs.find((each) => each.comparison === comparison)?.id;
    if (run === undefined) throw new InputError(`there is no comparison ${comparison}`);
    return downloads.create(`comparison-${comparison}.html`, (report) => services.report({ run, report }));
  },
} satisfies Partial<Handlers>;
