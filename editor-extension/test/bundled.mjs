// A module of the extension by itself, for those that know no VS Code.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

export async function load(name) {
  const folder = mkdtempSync(join(tmpdir(), `lineahead-${name}-`));
  const outfile = join(folder, `${name}.mjs`);
  const entry = join(import.meta.dirname, "..", "src", `${name}.ts`);
  try {
    await build({ entryPoints: [entry], bundle: true, platform: "node", format: "esm", outfile, logLevel: "error" });
    return await import(outfile);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
