/** Forms that a comparison can be written in. */
export const reportFormats = ['html', 'md', 'csv', 'json'] as const;
export type ReportFormat = (typeof reportFormats)[number];

const endings: Readonly<Record<string, ReportFormat>> = {
  ...{ html: 'html', htm: 'html', md: 'md', markdown: 'md', csv: 'csv', json: 'json' },
};

/** What a path's ending asks for; the page where it says nothing. */
export function reportFormatOf(path: string): ReportFormat {
  const ending = /\.(\w+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(endings, ending) ? endings[ending]! : 'html';
}
