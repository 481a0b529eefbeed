import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { lossNames } from '../../../shared/losses.ts';
import { commands } from './commands/index.ts';
import { globalOptions } from './global-options.ts';
import { commandHelp, helpWidth, programHelp, wrap } from './help.ts';

describe('help', () => {
  it('lists every command with its summary', () => {
    const help = programHelp(commands);
    for (const { name, summary } of commands) expect(help).toContain(`  ${name.padEnd(18)}${summary}`);
  });

  it('lists only a group’s commands for the group', () => {
    const help = programHelp(commands, 'models');
    expect(help).toContain('models add');
    expect(help).not.toContain('data add');
  });

  it.each(commands.map((command) => [command.name, command] as const))(
    'explains every option of %s',
    (_, command) => {
      const help = commandHelp(command);
      for (const option of [...Object.values(command.options), ...Object.values(globalOptions)]) {
        const usage =
          option.placeholder === undefined ? `--${option.flag}` : `--${option.flag} ${option.placeholder}`;
        expect(help).toContain(`  ${usage}`);
        expect(option.help).not.toBe('');
        // Line breaks of wrapping aside, the whole explanation with its default is there.
        const flat = help.replace(/\s+/g, ' ');
        expect(flat).toContain(option.help);
        if (option.defaultText !== undefined) expect(flat).toContain(`(default: ${option.defaultText})`);
      }
      for (const positional of command.positionals) expect(help).toContain(`<${positional.name}>`);
    },
  );

  it.each(commands.map((command) => [command.name, command] as const))(
    'fits %s into 100 columns',
    (_, command) => {
      for (const line of commandHelp(command).split('\n')) expect(line.length).toBeLessThanOrEqual(helpWidth);
    },
  );

  it('describes every loss for train', () => {
    const help = commandHelp(commands.find(({ name }) => name === 'train')!);
    for (const name of lossNames) expect(help).toContain(`${name}: `);
  });

  it('has one meaning for each flag within a command', () => {
    for (const command of commands) {
      const flags = [...Object.values(command.options), ...Object.values(globalOptions)].map(
        ({ flag }) => flag,
      );
      expect(new Set(flags).size).toBe(flags.length);
    }
  });

  it('leaves no option out of the user guide', () => {
    const guide = readFileSync(new URL('../../../../docs/user-guide.md', import.meta.url), 'utf8');
    for (const command of commands) {
      // The chapter of a group ("models add, models list") begins with its first command.
      const group = command.name.split(' ')[0]!;
      const chapter = guide.split('\n## ').find((text) => text.startsWith(group));
      expect(chapter, command.name).toBeDefined();
      for (const { flag } of Object.values(command.options))
        expect(chapter, command.name).toContain(`\`--${flag}`);
    }
    for (const { flag } of Object.values(globalOptions)) expect(guide).toContain(`\`--${flag}`);
  });

  it('wraps between words', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('supercalifragilistic one', 7)).toEqual(['supercalifragilistic', 'one']);
  });
});
