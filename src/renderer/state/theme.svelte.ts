export type ThemeChoice = 'system' | 'light' | 'dark';

const key = 'plumbline.theme';
const systemDark = matchMedia('(prefers-color-scheme: dark)');

function stored(): ThemeChoice {
  const value = localStorage.getItem(key);
  return value === 'light' || value === 'dark' ? value : 'system';
}

let choice = $state<ThemeChoice>(stored());
let isSystemDark = $state(systemDark.matches);
systemDark.addEventListener('change', ({ matches }) => (isSystemDark = matches));
const dark = $derived(choice === 'dark' || (choice === 'system' && isSystemDark));

/** Light or dark: as the system has it, unless a person chose. */
export const theme = {
  get choice() {
    return choice;
  },
  set choice(next: ThemeChoice) {
    choice = next;
    localStorage.setItem(key, next);
  },
  get dark() {
    return dark;
  },
};
