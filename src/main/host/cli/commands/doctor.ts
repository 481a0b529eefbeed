import { formatBytes, formatCount, formatElapsed } from '../../../../shared/format.ts';
import type { DoctorResult } from '../../../../shared/contract.ts';
import { defineCommand } from '../command.ts';
import { required, textValue, toggle } from '../option.ts';
import { renderTable } from '../table.ts';

const group = 'Options';

function render(result: DoctorResult): string {
  const { checked, findings, leftovers } = result;
  const lines = [
    `checked ${checked.database === 0 ? 'no database yet' : 'the database'}, ${formatCount(checked.models)} models, ` +
      `${formatCount(checked.checkpoints)} checkpoints and ${formatCount(checked.adapters)} adapters ` +
      `(${formatBytes(checked.bytes)}) in ${formatElapsed(result.seconds)}`,
    ...result.fixed.map((line) => `fixed: ${line}`),
  ];
  for (const { severity, kind, name, message, path } of findings) {
    const what = kind === 'job' || kind === 'database' ? name : `${kind} ${name}`;
    const where = path === undefined ? '' : ` (${path})`;
    lines.push(`${severity === 'broken' ? 'BROKEN' : 'note'}: ${what}: ${message}${where}`);
  }
  if (leftovers.length > 0) {
    const table = renderTable(
      [{ title: 'LEFT OVER' }, { title: 'SIZE', align: 'right' }, { title: 'WHAT' }],
      leftovers.map(({ path, bytes, why, keep }) => [
        path,
        bytes === 0 ? '' : formatBytes(bytes),
        keep === undefined ? why : `${why}; stays: ${keep}`,
      ]),
    );
    lines.push('', table, '');
    const bytes = formatBytes(result.removableBytes);
    if (result.freed) lines.push(`freed ${formatBytes(result.freedBytes)}`);
    else if (leftovers.some(({ keep }) => keep === undefined))
      lines.push(`${bytes} can be freed: plumbline doctor --free --yes`);
  }
  lines.push(result.healthy ? 'nothing is broken' : 'something is broken');
  return lines.join('\n');
}

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'check the database and every recorded file, and list what is left over',
  details: [
    "The database is checked by SQLite's own means; models, checkpoints and adapters by their hashes. Nothing is changed " +
      'unless --fix or --free asks for it, and nothing that a record refers to is ever deleted.',
    'The exit code is 1 where something is broken.',
  ],
  positionals: [],
  options: {
    fix: toggle({
      flag: 'fix',
      help: 'settle jobs whose process was killed, and update the database',
      group,
    }),
    free: toggle({
      flag: 'free',
      help: 'free what is left over; without --yes it says what would go',
      group,
    }),
    yes: toggle({ flag: 'yes', help: 'delete it', group }),
  },
  examples: ['doctor', 'doctor --free', 'doctor --free --yes --json'],
  run: async (context, { options: { fix, free, yes } }) =>
    (await context.services()).doctor({ fix, free, confirmed: yes }, context.call),
  failed: ({ healthy }) => !healthy,
  render,
});

export const diagnostics = defineCommand({
  name: 'diagnostics',
  summary: 'pack logs, versions and settings for a bug report',
  details: [
    'Into the file go: logs, versions of the program and its libraries, the machine, settings, status and errors of runs ' +
      'and what doctor finds. No data, no prompts, no answers, and paths only by their last name. Look into it before ' +
      'you send it: tar -xzf F.tar.gz',
  ],
  positionals: [],
  options: {
    out: required({
      flag: 'out',
      placeholder: 'F.tar.gz',
      parse: textValue,
      help: 'file to write',
      group: 'Output',
    }),
  },
  examples: ['diagnostics --out report.tar.gz'],
  run: async (context, { options: { out } }) => (await context.services()).diagnostics({ out }, context.call),
  render: ({ out, bytes, files }) =>
    [`${out} (${formatBytes(bytes)})`, ...files.map((name) => `  ${name}`)].join('\n'),
});
