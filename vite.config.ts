import { defineConfig } from 'vite'

/** What runs in the browser, as one file of the package that the console serves. */
export default defineConfig({
  root: 'web',
  publicDir: false,
  logLevel: 'warn',
  build: {
    outDir: '../dist',
    emptyOutDir: false,
    target: 'es2023',
    modulePreload: false,
    rolldownOptions: { input: 'web/main.ts', output: { entryFileNames: 'page.js' } },
  },
})
