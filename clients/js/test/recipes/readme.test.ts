import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

// Each file is run by a test beside this one.
it.each(['React', 'Vue'])('the code that README shows for %s is that of the recipes', (section) => {
  const folder = `./${section.toLowerCase()}/`;
  const recipes = readdirSync(new URL(folder, import.meta.url)).map((name) => read(folder + name));
  const text = read('../../README.md')
    .split(/^## /m)
    .find((part) => part.startsWith(`${section}\n`));
  const shown = [...(text ?? '').matchAll(/^```\w+\n(.*?)^```$/gms)].map(([, code]) => code);
  expect(shown.sort()).toEqual(recipes.sort());
});
