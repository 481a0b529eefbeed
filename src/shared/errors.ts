/** Where in a person's input an error lies. Rows count from 0, as the dataset's `index` does. */
export interface ErrorPlace {
  readonly file?: string;
  readonly row?: number;
}

/**
 * Something a person can mend: a bad file, an unknown name, a loss that is not finite.
 * The command line prints it as one line and exits with 1; a screen shows it where it belongs.
 */
export class InputError extends Error {
  override readonly name = 'InputError';
  readonly place: ErrorPlace;
  /** The cause alone, without file and row. */
  readonly bareMessage: string;

  constructor(cause: string, place: ErrorPlace = {}) {
    const where = [place.file, place.row === undefined ? undefined : `row ${place.row}`]
      .filter((part) => part !== undefined)
      .join(', ');
    super(where === '' ? cause : `${where}: ${cause}`);
    this.place = place;
    this.bareMessage = cause;
  }
}

/** Wrong arguments: the command line exits with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
