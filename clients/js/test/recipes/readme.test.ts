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

// Which version a Node can take is the package's own word. Both versions are tested: see test/node24.
it('the versions of eventsource that README names are for those Nodes', () => {
  const engine = (path: string) => {
    const { version, engines } = JSON.parse(read(path)).packages['node_modules/eventsource'];
    return `version ${version.split('.')[0]} ${engines.node}`;
  };
  expect(read('../../README.md')).toContain('// version 4, or version 5 with Node 22.12 or newer');
  expect(JSON.parse(read('../../package.json')).engines.node).toBe('>=20');
  expect([engine('../../package-lock.json'), engine('../node24/package-lock.json')]).toEqual(['version 4 >=20.0.0', 'version 5 >=22.12.0']);
});
