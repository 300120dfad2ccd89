// Which Python runs the server, with which command line, and what the client tells it.

import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { PythonExtension } from "@vscode/python-extension";
import * as vscode from "vscode";
import type { LanguageClientOptions, Middleware, ServerOptions } from "vscode-languageclient/node";
import type { Packed } from "./isolated";
import { peek } from "./peek";
import type { Popup } from "./popup";
import { languages, namedInterpreter } from "./settings";

const SERVER = ["-m", "lineahead", "serve", "--log-level", "info"];

/** Text is UTF-8, and no library phones home. */
const ENVIRONMENT = { PYTHONUTF8: "1", ORT_DISABLE_TELEMETRY: "1" };

/** The environment that "Set up" makes in the extension's storage, and the file that says that it is whole. */
export function privateEnvironment(context: vscode.ExtensionContext) {
  const folder = join(context.globalStorageUri.fsPath, "environment");
  const python = process.platform === "win32" ? join(folder, "Scripts", "python.exe") : join(folder, "bin", "python");
  return { folder, python, ready: join(folder, "lineahead-wheel") };
}

/** What came with the extension. */
export function packed(context: vscode.ExtensionContext): Packed {
  const folder = context.asAbsolutePath("wheel");
  const name = existsSync(folder) && readdirSync(folder).find((each) => each.endsWith(".whl"));
  if (!name) throw new Error(`${folder}: expected the server's wheel, found none; install the extension again`);
  const libraries = join(folder, "libraries");
  return {
    wheel: join(folder, name),
    requirements: join(folder, "requirements.txt"),
    libraries: existsSync(libraries) ? libraries : undefined,
  };
}

/** Whether "Set up" has come to its end, with this version of the extension. */
export function isSetUp(context: vscode.ExtensionContext): boolean {
  const { ready } = privateEnvironment(context);
  return existsSync(ready) && readFileSync(ready, "utf8") === basename(packed(context).wheel);
}

/** How the server is run: in the extension's own folder, where no `lineahead` of the person's project is found first. */
function runOptions(context: vscode.ExtensionContext) {
  return { cwd: context.extensionPath, env: { ...process.env, ...ENVIRONMENT } };
}

/** The environment that "Set up" made has been moved, removed or broken since. */
export class BrokenEnvironment extends Error {}

/** Why this interpreter cannot run the server; undefined if it can. */
async function problemWith(python: string, context: vscode.ExtensionContext): Promise<string | undefined> {
  try {
    const options = { ...runOptions(context), timeout: 20_000 };
    const { stdout } = await promisify(execFile)(python, [...SERVER, "--version"], options);
    return stdout.startsWith("lineahead ") ? undefined : `it runs another server: ${stdout.trim()}`;
  } catch (error) {
    const { stderr, message, code } = error as { stderr?: string; message: string; code?: unknown };
    if (code === "ENOENT") return "there is no such program";
    return (stderr || message).trim().split("\n").at(-1);
  }
}

/** The interpreter chosen in the Python extension. It may come from the workspace, so only a trusted one is asked. */
async function activeInterpreter(): Promise<string | undefined> {
  if (!vscode.workspace.isTrusted) return undefined;
  try {
    const { environments } = await PythonExtension.api();
    const active = await environments.resolveEnvironment(environments.getActiveEnvironmentPath());
    return active?.executable.uri?.fsPath;
  } catch {
    return undefined; // not installed, or broken: it has its own ways to say so
  }
}

/**
 * The interpreter that runs the server: the setting, the Python extension's if it has the package, the private one.
 * Throws if the setting names one that cannot, or the private one cannot any more; undefined if there is none yet.
 */
export async function findInterpreter(context: vscode.ExtensionContext): Promise<string | undefined> {
  const named = namedInterpreter();
  if (named) {
    const problem = await problemWith(named, context);
    if (problem) {
      throw new Error(
        `lineahead.interpreter: expected a Python with the package lineahead, found ${named}: ${problem}`,
      );
    }
    return named;
  }
  const active = await activeInterpreter();
  if (active && !(await problemWith(active, context))) return active;
  const own = privateEnvironment(context);
  if (!isSetUp(context)) return undefined;
  const problem = await problemWith(own.python, context);
  if (problem) {
    throw new BrokenEnvironment(
      `Expected the Python that Set up made, with the package lineahead, found ${own.python}: ${problem}. Set it up again.`,
    );
  }
  return own.python;
}

export function serverOptions(python: string, context: vscode.ExtensionContext): ServerOptions {
  const port = context.extensionMode === vscode.ExtensionMode.Development && process.env.LINEAHEAD_DEBUGPY;
  // "Extension and server" in .vscode/launch.json listens there.
  const debugged = port ? ["-m", "debugpy", "--connect", `127.0.0.1:${port}`, ...SERVER] : SERVER;
  return { command: python, args: debugged, options: runOptions(context) };
}

/** The server takes each list that is invoked for one that the person asked for; what opens by itself is none. */
function middleware(popup: Popup): Middleware {
  return {
    didChange: (change, next) => {
      popup.change(change.document.uri.toString(), change.document.version, Date.now());
      return next(change);
    },
    workspace: {
      // A folder's settings, and a language's, which the client itself would leave out.
      configuration: ({ items }) =>
        items.map(({ scopeUri, section }) => {
          const document = vscode.workspace.textDocuments.find((opened) => opened.uri.toString() === scopeUri);
          return vscode.workspace.getConfiguration(section, document ?? null);
        }),
    },
    executeCommand: async (command, args, next) => {
      const result = await next(command, args);
      if (command === "lineahead.whyNothing") await peek();
      return result;
    },
    provideCompletionItem: (document, position, context, token, next) => {
      const quickSuggestions = vscode.workspace.getConfiguration("editor", document).get("quickSuggestions");
      const opensByItself =
        context.triggerKind === vscode.CompletionTriggerKind.Invoke &&
        popup.opensByItself({
          document: document.uri.toString(),
          version: document.version,
          endsWord: document.getWordRangeAtPosition(position)?.end.isEqual(position) ?? false,
          quickSuggestions,
          now: Date.now(),
        });
      const always = vscode.workspace.getConfiguration("lineahead", document).get("completionList") === "always";
      return opensByItself && !always ? [] : next(document, position, context, token);
    },
  };
}

export function clientOptions(log: vscode.LogOutputChannel, popup: Popup): LanguageClientOptions {
  return {
    documentSelector: languages(), // matches notebook cells too
    initializationOptions: vscode.workspace.getConfiguration("lineahead"),
    synchronize: { configurationSection: "lineahead" },
    outputChannel: log,
    middleware: middleware(popup),
  };
}
