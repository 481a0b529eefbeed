import { z } from 'zod';
import { wholeNumber } from './config.ts';
import { UsageError } from './errors.ts';
import { evaluationMetricNames, metricNames } from './metrics.ts';

const onOff = z.boolean({ error: 'must be on or off' });
const priorities = ['normal', 'low'] as const;
const most = (schema: z.ZodNumber, limit: number): z.ZodNumber =>
  schema.max(limit, { error: (issue) => `must be ${limit} or less, not ${String(issue.input)}` });

/** How the program behaves, as opposed to what a run computes (config.ts). One schema, default and word of help each. */
export const programSettings = {
  runsAtOnce: {
    schema: most(wholeNumber(1), 64),
    default: 1,
    values: 'a whole number from 1 to 64',
    help: 'jobs at work at the same time; each needs memory for a model of its own',
  },
  keepCheckpoints: {
    schema: most(wholeNumber(1), 1000),
    default: 2,
    values: 'a whole number from 1 to 1000',
    help: 'last checkpoints kept of a run at work; of a finished run the last one stays',
  },
  keepBestBy: {
    schema: z
      .enum([...metricNames, ...evaluationMetricNames], {
        error: 'must be none or the name of a metric, such as eval_loss',
      })
      .nullable(),
    default: null,
    values: 'none or the name of a metric',
    help: 'metric by which the best checkpoint is kept as well; low is best where its name ends in loss, else high',
  },
  keepPairs: {
    schema: most(wholeNumber(0), 16_384),
    default: 64,
    values: 'a whole number from 0 to 16384',
    help: "mebibytes kept of c and r of a run's pairs, step by step: training and held-out pairs each; 0 keeps none",
  },
  keepEvaluations: {
    schema: most(wholeNumber(0), 16_384),
    default: 64,
    values: 'a whole number from 0 to 16384',
    help: 'mebibytes kept of evaluations, so that a comparison does not make again what was made of the same weights; 0 clears them',
  },
  checkpointSeconds: {
    schema: most(wholeNumber(1), 86_400),
    default: 60,
    values: 'a whole number from 1 to 86400',
    help: 'seconds between two checkpoints, where a run does not count them by its steps',
  },
  priority: {
    schema: z.enum(priorities, { error: `must be one of ${priorities.join(', ')}` }),
    default: 'low',
    values: priorities.join(' or '),
    help: 'priority of training processes: low leaves the machine responsive',
  },
  keepAwake: {
    schema: onOff,
    default: true,
    values: 'on or off',
    help: 'keep the machine from falling asleep while a training is at work',
  },
} as const satisfies Record<string, SettingDescription>;

interface SettingDescription {
  readonly schema: z.ZodType;
  readonly default: unknown;
  /** What may be given, in words. */
  readonly values: string;
  readonly help: string;
}

export type SettingName = keyof typeof programSettings;
export type ProgramSettings = {
  readonly [Name in SettingName]: z.output<(typeof programSettings)[Name]['schema']>;
};

export const settingNames = Object.keys(programSettings) as SettingName[];

/** What counts where nothing was set. */
export const defaultSettings = Object.fromEntries(
  settingNames.map((name) => [name, programSettings[name].default]),
) as unknown as ProgramSettings;

/** @throws UsageError naming the known ones */
export function requireSettingName(name: string): SettingName {
  if ((settingNames as string[]).includes(name)) return name as SettingName;
  throw new UsageError(`there is no setting ${name}; known: ${settingNames.join(', ')}`);
}

/**
 * A setting's value out of what a person typed: numbers, `on` and `off`, `none`, or a word.
 * @throws UsageError saying what may be given
 */
export function parseSetting<Name extends SettingName>(name: Name, text: string): ProgramSettings[Name] {
  return checkSetting(name, valueOf(text));
}

/** @throws UsageError where the setting cannot have this value */
export function checkSetting<Name extends SettingName>(name: Name, value: unknown): ProgramSettings[Name] {
  const result = programSettings[name].schema.safeParse(value);
  // Safe: this is what the setting's own schema returned.
  if (result.success) return result.data as ProgramSettings[Name];
  throw new UsageError(`${name} ${result.error.issues[0]?.message ?? 'is not valid'}`);
}

/** As a person types and reads it. */
export function formatSetting(value: ProgramSettings[SettingName]): string {
  if (value === null) return 'none';
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}

const words: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['on', true],
  ['off', false],
  ['none', null],
]);

function valueOf(text: string): unknown {
  if (words.has(text)) return words.get(text);
  return /^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
