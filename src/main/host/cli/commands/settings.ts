import type { SettingsResult } from '../../../../shared/contract.ts';
import { formatSetting, programSettings, type ProgramSettings } from '../../../../shared/settings.ts';
import { defineCommand } from '../command.ts';
import { renderTable } from '../table.ts';

type Value = ProgramSettings[keyof ProgramSettings];

function settingsTable({ settings }: SettingsResult): string {
  return renderTable(
    [{ title: 'SETTING' }, { title: 'VALUE' }, { title: 'DEFAULT' }, { title: 'MEANING' }],
    settings.map(({ name, value, default: usual, help }) => [
      name,
      formatSetting(value as Value),
      formatSetting(usual as Value),
      help,
    ]),
  );
}

export const listSettings = defineCommand({
  name: 'settings list',
  summary: 'show how the program behaves',
  details: ['Settings belong to the home folder. A change counts at once, also for a queue under way.'],
  positionals: [],
  options: {},
  examples: ['settings list'],
  run: async (context) => (await context.services()).listSettings(),
  render: settingsTable,
});

export const setSetting = defineCommand({
  name: 'settings set',
  summary: 'change a setting',
  details: Object.entries(programSettings).map(([name, { values, help }]) => `${name}: ${help} (${values})`),
  positionals: [
    { name: 'setting', help: 'its name, as "settings list" shows it' },
    { name: 'value', help: 'a number, on, off, none or a word, as the setting takes it' },
  ],
  options: {},
  examples: ['settings set runsAtOnce 2', 'settings set keepBestBy rewards/accuracies'],
  run: async (context, { positionals: [name, value] }) =>
    (await context.services()).setSetting({ name: name!, value: value! }),
  render: settingsTable,
});

export const resetSetting = defineCommand({
  name: 'settings reset',
  summary: 'set a setting, or all of them, back to the default',
  details: [],
  positionals: [{ name: 'setting|all', help: 'its name, or all' }],
  options: {},
  examples: ['settings reset runsAtOnce', 'settings reset all'],
  run: async (context, { positionals: [name] }) =>
    (await context.services()).resetSetting(name === 'all' ? {} : { name: name! }),
  render: settingsTable,
});
