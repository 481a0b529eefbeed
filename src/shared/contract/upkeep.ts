/** Checks of what the home folder holds, and what goes into a bug report. */

export interface DoctorRequest {
  /** Settle what a killed process left open. */
  readonly fix: boolean;
  /** Delete what is listed as removable; without `confirmed` the result says what would go. */
  readonly free: boolean;
  readonly confirmed: boolean;
}

/** Something that is not as its record says. */
export interface DoctorFinding {
  /** `warning`: nothing is broken, but a person should know. */
  readonly severity: 'broken' | 'warning';
  readonly kind: 'database' | 'model' | 'checkpoint' | 'adapter' | 'job' | 'pairs';
  /** Name of a model, "run 3, step 40", "job 2", or the database's file. */
  readonly name: string;
  readonly message: string;
  readonly path?: string;
}

/** Something that lies in the home folder and that no record needs. */
export interface DoctorLeftover {
  readonly kind: 'temporary' | 'checkpoint' | 'model' | 'result' | 'backup' | 'log' | 'import';
  /** Of an import: the file that was being imported, which stays where it is. */
  readonly path: string;
  /** 0 for an import, whose rows lie in the database and leave room there. */
  readonly bytes: number;
  readonly why: string;
  /** Why it must stay for now; absent where it may go. */
  readonly keep?: string;
}

export interface DoctorResult {
  /** Nothing is broken. */
  readonly healthy: boolean;
  readonly checked: {
    readonly database: number;
    readonly models: number;
    readonly checkpoints: number;
    readonly adapters: number;
    /** Read to compare hashes. */
    readonly bytes: number;
  };
  readonly findings: readonly DoctorFinding[];
  readonly leftovers: readonly DoctorLeftover[];
  /** Sum over what may go. */
  readonly removableBytes: number;
  /** What was settled with `fix`. */
  readonly fixed: readonly string[];
  /** Whether the removable ones were deleted, and how much that freed. */
  readonly freed: boolean;
  readonly freedBytes: number;
  readonly seconds: number;
}

export interface DiagnosticsRequest {
  /** A `.tar.gz` file. */
  readonly out: string;
}
export interface DiagnosticsResult {
  readonly out: string;
  readonly bytes: number;
  /** Names of what is inside. */
  readonly files: readonly string[];
}
