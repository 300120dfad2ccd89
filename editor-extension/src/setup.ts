// "Lineahead: Set up": an environment of its own for the server, from the wheel that came with the extension.

import { mkdirSync, readFileSync, rmSync, unwatchFile, watchFile, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import * as vscode from "vscode";
import { claim, release } from "./claim";
import { explain, explainPython } from "./explain";
import { type Finished, findPython, OLDEST, run, setUpSteps } from "./isolated";
import { isSetUp, packed, privateEnvironment } from "./server";
import { proxy } from "./settings";
import { countPackages, Stages } from "./stages";
import type { Status } from "./status";

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
    return await run(command, args, cwd, { signal: abort.signal, tell, proxy: proxy() });
  } catch (error) {
    throw token?.isCancellationRequested ? new vscode.CancellationError() : error;
  } finally {
    cancelled?.dispose();
  }
}

async function install(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  stop: () => Promise<void>,
  progress: vscode.Progress<{ message?: string; increment?: number }>,
  token: vscode.CancellationToken,
): Promise<void> {
  const parts = packed(context);
  const environment = privateEnvironment(context);
  const { path: python, tooOld } = await findPython((command, args) => runHere(context, command, args));
  if (!python) throw new SetUpError(explainPython(OLDEST.join("."), tooOld));
  const packages = countPackages(readFileSync(parts.requirements, "utf8"));
  const stages = new Stages(packages, parts.libraries ? "unpacking" : "downloading");
  const tell = (line: string) => {
    log.info(line);
    const stage = stages.read(line);
    if (stage) progress.report(stage);
  };
  progress.report(stages.begin(python));
  await stop(); // a running server holds on to what is replaced
  rmSync(environment.folder, { recursive: true, force: true });
  for (const [command, args] of setUpSteps(python, environment, parts)) {
    const { code, output } = await runHere(context, command, args, token, tell);
    if (code !== 0) throw new SetUpError(`Lineahead was not set up. ${explain(output)}`);
  }
  writeFileSync(environment.ready, basename(parts.wheel)); // last: a half-made environment is none
}

/** Call `start` whenever a set-up has come to its end, be it in another window. */
export function onSetUp(context: vscode.ExtensionContext, start: () => void): vscode.Disposable {
  const { ready } = privateEnvironment(context);
  watchFile(ready, { interval: 2000, persistent: false }, () => isSetUp(context) && start());
  return new vscode.Disposable(() => unwatchFile(ready));
}

/**
 * Make the environment anew, until it is there or the person has had enough, unless another window does so already;
 * returns whether it is there.
 */
export async function setUp(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  stop: () => Promise<void>,
  show: (status: Status) => void,
): Promise<boolean> {
  const claimed = join(context.globalStorageUri.fsPath, "setting-up");
  if (!claim(claimed)) {
    vscode.window.showInformationMessage("Lineahead is being set up already; it starts here, too, when that is done.");
    return false;
  }
  try {
    return await untilSetUp(context, log, stop, show);
  } finally {
    release(claimed);
  }
}

async function untilSetUp(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  stop: () => Promise<void>,
  show: (status: Status) => void,
): Promise<boolean> {
  const where = { location: vscode.ProgressLocation.Notification, title: "Lineahead: setting up", cancellable: true };
  for (;;) {
    show({ state: "loading", message: "The server is being set up." });
    try {
      await vscode.window.withProgress(where, (progress, token) => install(context, log, stop, progress, token));
      return true;
    } catch (error) {
      rmSync(privateEnvironment(context).folder, { recursive: true, force: true });
      if (error instanceof vscode.CancellationError) return false;
      log.error(String(error));
      const message =
        error instanceof SetUpError ? error.message : `Lineahead was not set up. ${explain(String(error))}`;
      show({ state: "absent", message });
      const choice = await vscode.window.showErrorMessage(message, "Try again", "Show the log");
      if (choice === "Show the log") log.show();
      if (choice !== "Try again") return false;
    }
  }
}
