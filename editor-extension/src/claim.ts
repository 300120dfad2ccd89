// One window at a time sets up: the others' would be removed from under them.

import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const LONGEST = 3_600_000; // milliseconds: no set-up takes longer, but a process id may come again

function isAlive(path: string): boolean {
  try {
    if (Date.now() - statSync(path).mtimeMs > LONGEST) return false;
    const owner = Number(readFileSync(path, "utf8"));
    return owner > 0 && process.kill(owner, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // there, but somebody else's
  }
}

/** Write this process's id into a file that must not be there, or be left by a dead one; returns whether it is ours. */
export function claim(path: string): boolean {
  mkdirSync(dirname(path), { recursive: true });
  if (!isAlive(path)) rmSync(path, { force: true });
  try {
    writeFileSync(path, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

export function release(path: string): void {
  rmSync(path, { force: true });
}
