import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The path of pushstreamd. */
    pushstreamd: string;
  }
}

/** Builds the node that tests run against. */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'pushstream-client-'));
  const binary = join(folder, 'pushstreamd');
  execFileSync('go', ['build', '-o', binary, './cmd/pushstreamd'], {
    cwd: fileURLToPath(new URL('../../../..', import.meta.url)),
    stdio: 'inherit',
    env: { ...process.env, CGO_ENABLED: '0' },
  });
  project.provide('pushstreamd', binary);
  return () => rmSync(folder, { recursive: true, force: true });
}
