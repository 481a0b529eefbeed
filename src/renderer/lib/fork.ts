import type { RequestOf } from '../../shared/app/api.ts';
import { lossParametersOf, settings } from '../../shared/config.ts';
import type { RunDetails } from '../../shared/contract.ts';
import { defaultParameters, describeLoss, type LossName } from '../../shared/losses.ts';

/** What a person has typed of a fork. */
export interface ForkForm {
  /** A checkpoint's step. */
  readonly step: string;
  readonly loss: LossName;
  readonly rate: string;
  readonly beta: string;
  readonly steps: string;
  /** The loss's own parameters, by name. */
  readonly own: Readonly<Record<string, string>>;
}
export type ForkChanges = RequestOf<'forkRun'>['changes'];
export interface CheckedFork {
  /** By field, `own` parameters by their names. */
  readonly problems: Readonly<Record<string, string>>;
  readonly changes: ForkChanges;
}
type ForkedRun = Pick<RunDetails, 'config' | 'learningRate' | 'beta' | 'totalSteps'>;

const numberOf = (text: string): number => (text.trim() === '' ? NaN : Number(text.replace('−', '-')));

/** A loss's own parameters without a change: the run's, or those that another loss has by itself. */
export function usualParameters(loss: LossName, run: ForkedRun): Readonly<Record<string, number>> {
  return loss === run.config.loss ? (run.config.lossParameters ?? {}) : defaultParameters(loss);
}

/** Checks a fork as the host will; what a person left as it was is no change. */
export function checkFork(form: ForkForm, run: ForkedRun): CheckedFork {
  const problems: Record<string, string> = {};
  const read = (field: string, text: string, schema: (typeof settings)['steps']): number => {
    const result = schema.safeParse(numberOf(text));
    if (result.success) return result.data;
    problems[field] = result.error.issues[0]?.message ?? 'is not valid';
    return NaN;
  };
  const changed = (value: number, before: number | undefined): number | undefined =>
    value === before ? undefined : value;

  const learningRate = changed(read('rate', form.rate, settings.learningRate), run.learningRate);
  const usesBeta = describeLoss(form.loss).usesBeta && form.beta.trim() !== '';
  const beta = usesBeta ? changed(read('beta', form.beta, settings.beta), run.beta) : undefined;
  const isUsualLength = form.steps.trim() === '';
  const total = isUsualLength ? run.totalSteps : read('steps', form.steps, settings.steps);
  const from = Number(form.step);
  if (!problems['steps'] && total !== undefined && total <= from)
    problems['steps'] = `must be above ${from}: the fork has that many steps already`;
  const usual = usualParameters(form.loss, run);
  const lossParameters: Record<string, number> = {};
  for (const name of Object.keys(usual)) {
    const value = numberOf(form.own[name] ?? '');
    const result = lossParametersOf(form.loss).safeParse({ ...usual, [name]: value });
    if (!result.success) problems[name] = result.error.issues[0]?.message ?? 'is not valid';
    else if (value !== usual[name]) lossParameters[name] = value;
  }
  const steps = isUsualLength || total === undefined ? undefined : changed(total, run.totalSteps);
  return {
    problems,
    changes: {
      ...(form.loss === run.config.loss ? {} : { loss: form.loss }),
      ...(Object.keys(lossParameters).length === 0 ? {} : { lossParameters }),
      ...(learningRate === undefined ? {} : { learningRate }),
      ...(beta === undefined ? {} : { beta }),
      ...(steps === undefined ? {} : { steps }),
    },
  };
}
