import type { Page } from 'playwright-core';

/** The name of what has the focus, or its text; empty where nothing has it. */
export async function focused(page: Page): Promise<string> {
  return page.evaluate<string>(`(() => {
    const { activeElement } = document;
    if (activeElement === null || activeElement === document.body) return '';
    return (activeElement.getAttribute('aria-label') ?? (activeElement.textContent || activeElement.title)).trim();
  })()`);
}

/**
 * Presses Tab until something of this name has the focus.
 * @throws when it has not after `most` presses
 */
export async function tabTo(page: Page, name: string | RegExp, most = 60): Promise<void> {
  const passed: string[] = [];
  for (let count = 0; count < most; count += 1) {
    await page.keyboard.press('Tab');
    const text = await focused(page);
    if (typeof name === 'string' ? text === name : name.test(text)) return;
    passed.push(text.slice(0, 40));
  }
  throw new Error(`Tab does not lead to ${String(name)}, but to ${passed.join(' | ')}`);
}
