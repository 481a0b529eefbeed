/**
 * Policy of a report that is shown within the page. Its charts are drawn by scripts that stand in it, which the page's own
 * policy forbids: so it is an origin of its own that may load nothing, reach nothing and leave its frame for nothing.
 */
export const reportPolicy = [
  'sandbox allow-scripts',
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join('; ');

/** The download that an address `/view/ID/NAME.html` means; only reports are shown. */
export function viewedDownload(path: string): string | undefined {
  return /^\/view\/([\w-]{1,80})\/[^/]*\.html$/.exec(path)?.[1];
}
