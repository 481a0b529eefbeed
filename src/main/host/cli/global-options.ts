import { settings } from '../../../shared/config.ts';
import { numberText, optional, textValue, toggle } from './option.ts';

const group = 'Every command';

/** Options that stand before or after any command. */
export const globalOptions = {
  home: optional({
    flag: 'home',
    placeholder: 'DIR',
    parse: textValue,
    defaultText: "PLUMBLINE_HOME, else the system's application data",
    help: 'folder of the database and the model store',
    group,
  }),
  json: toggle({ flag: 'json', help: 'print the result as one JSON document on stdout', group }),
  threads: optional({
    flag: 'threads',
    placeholder: 'N',
    parse: numberText(settings.threads),
    defaultText: 'one per physical core',
    help: 'threads for computation; another number may change the last bits of results',
    group,
  }),
  quiet: toggle({ flag: 'quiet', help: 'no progress and no notes on stderr', group }),
  debug: toggle({ flag: 'debug', help: 'print the stack of an error', group }),
  help: toggle({ flag: 'help', help: 'explain the command (-h)', group }),
};

export const versionOption = toggle({ flag: 'version', help: 'print the version', group });
