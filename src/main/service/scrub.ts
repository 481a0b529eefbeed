import { basename, dirname } from 'node:path';

/** What a text may hold that belongs to the person. */
export interface Private {
  /** The person's home folder, shown as `~`. */
  readonly userFolder: string;
  readonly userName: string;
  /** Paths known from records, which may hold blanks; their last names stay. */
  readonly paths: readonly string[];
}

/**
 * Makes a text fit for a stranger's eyes: paths shrink to their last name, the person's name goes, and so does what stands
 * in quotes, for messages on bad input quote it.
 */
export function scrubber({ userFolder, userName, paths }: Private): (text: string) => string {
  const known = [...new Set(paths.flatMap((path) => [path, dirname(path)]))]
    .filter((path) => /[/\\]/.test(path) && path.length > 1 && basename(path) !== '')
    .sort((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const path of known) clean = clean.replaceAll(path, basename(path));
    if (userFolder.length > 1) clean = clean.replaceAll(userFolder, '~');
    return (
      clean
        // An unclosed quotation was cut off and goes to the line's end.
        .replace(/"(?:[^"\\\n]|\\.)*(?:"|$)/gm, '"…"')
        .replace(/`[^`\n]*`/g, '`…`')
        .replace(/(^|[\s(:,[])'[^'\n]+'(?=$|[\s).,:;\]])/gm, "$1'…'")
        .replace(/\bfile:\/\//g, '')
        .replace(/(?:~|\b[A-Za-z]:)?(?:[/\\][^\s/\\:"'`,;()[\]{}|]+){2,}[/\\]?/g, (path) => {
          const parts = path.split(/[/\\]/).filter((part) => part !== '');
          return parts.at(-1)!;
        })
        .replace(userName.length > 1 ? new RegExp(`\\b${escaped(userName)}\\b`, 'g') : /(?!)/, 'user')
    );
  };
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
