import { z } from 'zod';

const whole = (least: number, most: number) =>
  z
    .number({ error: 'must be a number' })
    .int({ error: 'must be a whole number' })
    .min(least, { error: `must be at least ${least}` })
    .max(most, { error: `must be at most ${most}` });

/** What a person can set once for all work, with its checks; `settingDefaults` holds where each one begins. */
export const settingSchemas = {
  /** Jobs at work at the same time. */
  runsAtOnce: whole(1, 64),
  /** Last checkpoints of a run at work that are kept. */
  keepCheckpoints: whole(1, 1000),
  /** Metric by which the best checkpoint is kept as well; null: none is. Names that end in `loss` are best low. */
  keepBestBy: z.string().min(1, { error: 'must name a metric' }).max(200).nullable(),
  /** Seconds between two checkpoints. */
  checkpointSeconds: whole(1, 86_400),
  /** Threads for computation; null: one per physical core. */
  threads: whole(1, 1024).nullable(),
  /** Priority of training processes. */
  priority: z.enum(['normal', 'low'], { error: 'must be normal or low' }),
  /** Keep the machine awake while a training runs. */
  keepAwake: z.boolean({ error: 'must be true or false' }),
} as const;

export type SettingName = keyof typeof settingSchemas;
export type Settings = { readonly [Name in SettingName]: z.infer<(typeof settingSchemas)[Name]> };

export const settingDefaults: Settings = {
  runsAtOnce: 1,
  keepCheckpoints: 2,
  keepBestBy: null,
  checkpointSeconds: 60,
  threads: null,
  priority: 'low',
  keepAwake: true,
};

/** One line each, for help and screens. */
export const settingDescriptions: Readonly<Record<SettingName, string>> = {
  runsAtOnce: 'training jobs at work at the same time',
  keepCheckpoints: 'last checkpoints kept of a run at work',
  keepBestBy: 'metric by which the best checkpoint is kept as well, or none',
  checkpointSeconds: 'seconds between two checkpoints',
  threads: 'threads for computation, or none for one per physical core',
  priority: 'priority of training processes: normal or low',
  keepAwake: 'keep the machine awake while a training runs',
};

export const settingNames = Object.keys(settingSchemas) as SettingName[];

/** Whether a setting of this name exists. */
export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settingSchemas, name);
}

/**
 * A setting's value out of what a person typed: numbers, `true` and `false`, and `none` where it may be absent.
 * @returns the value, or what is wrong with it ("must be at least 1")
 */
export function parseSetting(
  name: SettingName,
  text: string,
): { readonly value: Settings[SettingName] } | { readonly problem: string } {
  const schema = settingSchemas[name];
  const plain: unknown =
    text === 'none' && schema.safeParse(null).success
      ? null
      : /^(true|false)$/.test(text)
        ? text === 'true'
        : /^[+-]?\d+(\.\d+)?$/.test(text) && name !== 'keepBestBy'
          ? Number(text)
          : text;
  const parsed = schema.safeParse(plain);
  if (parsed.success) return { value: parsed.data };
  return { problem: parsed.error.issues[0]?.message ?? 'is not valid' };
}
