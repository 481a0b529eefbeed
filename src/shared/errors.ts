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
    super(oneLine(where === '' ? cause : `${where}: ${cause}`));
    this.place = place;
    this.bareMessage = cause;
  }
}

/** Causes quote files, which may hold anything: line ends and terminal codes become blanks, and endless names end. */
function oneLine(message: string): string {
  const short = message.length > 2000 ? `${message.slice(0, 2000)}…` : message;
  // eslint-disable-next-line no-control-regex -- these are what it is about
  return short.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}

/** Wrong arguments: the command line exits with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
