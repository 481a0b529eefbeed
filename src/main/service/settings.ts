import type { ResetSettingRequest, SetSettingRequest, SettingsResult } from '../../shared/contract.ts';
import {
  parseSetting,
  programSettings,
  requireSettingName,
  settingNames,
  type SettingName,
} from '../../shared/settings.ts';
import type { Store } from '../store/database.ts';
import type { JobSettings } from './library.ts';

export function listSettings(
  { settings }: Store,
  names: readonly SettingName[] = settingNames,
): SettingsResult {
  const all = settings.all();
  return {
    settings: names.map((name) => {
      const { default: usual, values, help } = programSettings[name];
      return { name, value: all[name], default: usual, values, help };
    }),
  };
}

/** @throws UsageError for an unknown setting or a value that it cannot have */
export function setSetting(store: Store, { name: given, value }: SetSettingRequest): SettingsResult {
  const name = requireSettingName(given);
  store.settings.set(name, parseSetting(name, value));
  // At once, not with the next evaluation: that is how what is kept is cleared.
  if (name === 'keepEvaluations') store.evaluationCache.prune(store.settings.all().keepEvaluations * 2 ** 20);
  return listSettings(store, [name]);
}

/** @throws UsageError for an unknown setting */
export function resetSetting(store: Store, { name }: ResetSettingRequest): SettingsResult {
  const names = name === undefined ? settingNames : [requireSettingName(name)];
  store.transaction(() => names.forEach((each) => store.settings.reset(each)));
  return listSettings(store, names);
}

/** How jobs are carried out, as the settings stand now. */
export function jobSettings({ settings }: Store): JobSettings {
  const { keepBestBy, ...rest } = settings.all();
  return { ...rest, keepBestBy: keepBestBy ?? undefined };
}
