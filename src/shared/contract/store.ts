/** Settings, projects and the upkeep of the home folder. */

export interface SettingSummary {
  readonly name: string;
  readonly value: number | string | boolean | null;
  readonly default: number | string | boolean | null;
  /** What may be given, in words. */
  readonly values: string;
  readonly help: string;
}
export interface SettingsResult {
  readonly settings: readonly SettingSummary[];
}
export interface SetSettingRequest {
  readonly name: string;
  /** As a person types it: a number, `on`, `off`, `none` or a word. */
  readonly value: string;
}
export interface ResetSettingRequest {
  /** Default: every setting. */
  readonly name?: string;
}

export interface ProjectSummary {
  readonly name: string;
  readonly runs: number;
  /** ISO 8601, UTC; absent for the one that is always there. */
  readonly createdAt?: string;
}
export interface ProjectRequest {
  readonly name: string;
}
export interface RenameProjectRequest extends ProjectRequest {
  readonly to: string;
}
export interface ProjectResult {
  readonly project: ProjectSummary;
}
export interface ListProjectsResult {
  readonly projects: readonly ProjectSummary[];
}
