// The model that `python -m training.adapt` leaves in a project, as files: no VS Code here.

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Where `training.adapt PATH` leaves a model, from PATH on. */
export const LEFT_IN = join(".lineahead", "model");

const NEEDED = ["config.json", "model.onnx", "tokenizer.json"];

/** Why a folder is no model that the server can open, in words; undefined if it is one. */
export function problemOf(folder: string): string | undefined {
  const missing = NEEDED.filter((name) => !isFile(join(folder, name)));
  if (missing.length) return `expected a model, and found no ${missing.join(", no ")} there`;
  try {
    JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  } catch (error) {
    return `config.json cannot be read: ${error instanceof Error ? error.message : error}`;
  }
  return undefined;
}

/** The models of these folders, where somebody has made one. */
export function modelsOf(folders: readonly string[]): string[] {
  return folders.map((folder) => join(folder, LEFT_IN)).filter((model) => !problemOf(model));
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
