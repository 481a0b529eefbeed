import type { Attachment } from 'svelte/attachments';

/** What scrolls by itself can be gone to by keyboard, as long as it has more than is in sight. */
export const reachable: Attachment<HTMLElement> = (element) => {
  const look = (): void => {
    const scrolls = element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight;
    if (scrolls) element.tabIndex = 0;
    else element.removeAttribute('tabindex');
  };
  const observer = new ResizeObserver(look);
  observer.observe(element);
  for (const child of element.children) observer.observe(child);
  return () => observer.disconnect();
};
