import { formatCount, formatElapsed } from '../../../../../shared/format.ts';
import { defineCommand } from '../../command.ts';
import { required, textValue, toggle } from '../../option.ts';
import { given } from '../names.ts';
import { renderIssues } from './check.ts';
import { formatOptions } from './format-options.ts';

export const convertData = defineCommand({
  name: 'data convert',
  summary: "write a data file's rows as JSONL in TRL's conversational form",
  details: [
    'One JSON object per line: prompt, chosen and rejected (or completion) as lists of chat messages. Plain text becomes ' +
      'what the user and the assistant say. The file appears whole or not at all.',
  ],
  positionals: [{ name: 'file', help: 'data file' }],
  options: {
    ...formatOptions,
    out: required({
      flag: 'out',
      placeholder: 'F.jsonl',
      parse: textValue,
      help: 'file to write',
      group: 'Output',
    }),
    skipBad: toggle({
      flag: 'skip-bad',
      help: 'leave out rows that cannot be used; without, the first one ends the work',
      group: 'Output',
    }),
  },
  examples: ['data convert hh-rlhf.jsonl.gz --out pairs.jsonl --skip-bad'],
  run: async (context, { positionals, options }) => {
    const { format, map, out, skipBad } = options;
    const services = await context.services();
    return services.convertData(
      { path: positionals[0]!, out, skipBad, ...given({ format, map }) },
      context.call,
    );
  },
  render: ({ format, pairs, skipped, issues, counts, out, seconds }) => {
    const left = skipped === 0 ? '' : `, ${formatCount(skipped)} left out`;
    return [
      `${formatCount(pairs)} rows of format ${format} in ${formatElapsed(seconds)}${left}`,
      ...renderIssues(issues, counts),
      ...(skipped === 0 ? [] : ['']),
      `written to ${out}`,
    ].join('\n');
  },
});
