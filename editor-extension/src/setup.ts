// "Lineahead: Set up": an environment of its own for the server, from the wheel that came with the extension.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import * as vscode from "vscode";
import { type Finished, ISOLATED, run, setUpSteps } from "./isolated";
import { packedWheel, privateEnvironment } from "./server";

const OLDEST = [3, 11] as const;
const CANDIDATES = ["python3", "python", "python3.14", "python3.13", "python3.12", "python3.11", "py"];

/** What went wrong, in words that say what to do. */
class SetUpError extends Error {}

/** Run a program in the extension's storage; cancelling ends it. */
async function runHere(
  context: vscode.ExtensionContext,
  command: string,
  args: string[],
  token?: vscode.CancellationToken,
  tell?: (line: string) => void,
): Promise<Finished> {
  const cwd = context.globalStorageUri.fsPath; // never the open folder, whose files may be anybody's
  mkdirSync(cwd, { recursive: true });
  const abort = new AbortController();
  const cancelled = token?.onCancellationRequested(() => abort.abort());
  try {
    return await run(command, args, cwd, abort.signal, tell);
  } catch (error) {
    throw token?.isCancellationRequested ? new vscode.CancellationError() : error;
  } finally {
    cancelled?.dispose();
  }
}

/** The first Python on the path that is new enough. */
async function findPython(context: vscode.ExtensionContext): Promise<string> {
  const tooOld: string[] = [];
  for (const name of CANDIDATES) {
    try {
      const asked = [...ISOLATED, "-c", "import sys; print(*sys.version_info[:2], sys.executable)"];
      const { code, output } = await runHere(context, name, asked);
      const [, major, minor, path] = output.trim().match(/^(\d+) (\d+) (.+)$/) ?? [];
      if (code !== 0 || !path) continue;
      if (Number(major) === OLDEST[0] && Number(minor) >= OLDEST[1]) return path;
      tooOld.push(`${path} is ${major}.${minor}`);
    } catch {
      // not on this machine
    }
  }
  const wanted = `Lineahead needs Python ${OLDEST.join(".")} or newer`;
  const found = tooOld.length ? `found only older ones (${tooOld.join(", ")})` : "found none on the PATH";
  throw new SetUpError(`${wanted}, and ${found}. Install one, or name one in the setting lineahead.interpreter.`);
}

/** What pip or venv said, in words that say what to do. */
function explain(output: string): string {
  if (/No space left|ENOSPC|Errno 28/i.test(output)) return "the disk is full: it needs about 250 MB.";
  if (/ensurepip is not available|No module named '?(venv|ensurepip)/.test(output)) {
    return "Python lacks its module venv. On Debian and Ubuntu: sudo apt-get install python3-venv.";
  }
  if (
    /NewConnectionError|NameResolutionError|name resolution|ConnectTimeout|ProxyError|Network is unreachable/.test(
      output,
    )
  ) {
    return "the package index cannot be reached. It needs the network once, for about 55 MB; then never again.";
  }
  if (/DO NOT MATCH THE HASHES/.test(output)) {
    return "a package that came over the network is not the one that it should be; nothing was installed of it.";
  }
  if (/No matching distribution/.test(output)) {
    return "a package it needs has no build for this machine and Python; see the log.";
  }
  return `${output.trim().split("\n").at(-1) ?? "it ended without a word"} (see the log)`;
}

async function install(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  stop: () => Promise<void>,
  progress: vscode.Progress<{ message?: string }>,
  token: vscode.CancellationToken,
): Promise<void> {
  const tell = (line: string) => {
    log.info(line);
    const step = line.match(/^(Collecting|Downloading|Installing)\s+([^\s(]+)?/);
    if (step) progress.report({ message: step[0] });
  };
  const wheel = packedWheel(context);
  const environment = privateEnvironment(context);
  const python = await findPython(context);
  progress.report({ message: `an environment with ${python}` });
  await stop(); // a running server holds on to what is replaced
  rmSync(environment.folder, { recursive: true, force: true });
  const requirements = join(dirname(wheel), "requirements.txt");
  for (const [command, args] of setUpSteps(python, environment, requirements, wheel)) {
    const { code, output } = await runHere(context, command, args, token, tell);
    if (code !== 0) throw new SetUpError(`The server was not installed: ${explain(output)}`);
  }
  writeFileSync(environment.ready, basename(wheel)); // last: a half-made environment is none
}

/** Make the environment anew, until it is there or the person has had enough. */
export async function setUp(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  stop: () => Promise<void>,
): Promise<void> {
  const where = { location: vscode.ProgressLocation.Notification, title: "Lineahead: setting up", cancellable: true };
  for (;;) {
    try {
      await vscode.window.withProgress(where, (progress, token) => install(context, log, stop, progress, token));
      return;
    } catch (error) {
      rmSync(privateEnvironment(context).folder, { recursive: true, force: true });
      if (error instanceof vscode.CancellationError) return;
      log.error(String(error));
      const message = error instanceof SetUpError ? error.message : `The server was not installed: ${error}`;
      const choice = await vscode.window.showErrorMessage(message, "Try again", "Show the log");
      if (choice === "Show the log") log.show();
      if (choice !== "Try again") return;
    }
  }
}
