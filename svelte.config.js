/** Read by Vite, svelte-check and ESLint. */
export default {
  vitePlugin: {
    // Ours are written with runes throughout; libraries say for themselves what they are.
    dynamicCompileOptions: ({ filename }) =>
      filename.includes('node_modules') ? undefined : { runes: true },
  },
};
