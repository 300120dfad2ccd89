// What the extension itself reads of the settings. A person can write any JSON there, and VS Code passes it on as it
// is: what has the wrong type counts as not set, as in the server, which says so in the log.

import * as vscode from "vscode";
import type { EditorProxy } from "./isolated";

const DEFAULT = { python: true };

function text(section: string, name: string): string {
  const value: unknown = vscode.workspace.getConfiguration(section).get(name);
  return typeof value === "string" ? value.trim() : "";
}

/** Which languages are completed, by their ids. */
export function enabled(): Record<string, boolean> {
  const value: unknown = vscode.workspace.getConfiguration("lineahead").get("enable");
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject && Object.values(value).every((each) => typeof each === "boolean")
    ? (value as Record<string, boolean>)
    : DEFAULT;
}

export function isEnabled(language: string): boolean {
  const languages = enabled();
  return languages[language] ?? languages["*"] ?? false;
}

/** The language ids that `lineahead.enable` names, Python first; "*" only says how the server takes all others. */
export function languages(): string[] {
  return [...new Set(["python", ...Object.keys(enabled()).filter((each) => each && each !== "*")])];
}

/** The Python that the person has named; "" for none. */
export const namedInterpreter = () => text("lineahead", "interpreter");

/** The editor's own proxy; undefined where it names none, or is told to use none. */
export function proxy(): EditorProxy | undefined {
  const url = text("http", "proxy");
  if (!url || text("http", "proxySupport") === "off") return undefined;
  const except: unknown = vscode.workspace.getConfiguration("http").get("noProxy");
  return { url, except: Array.isArray(except) ? except.filter((each) => typeof each === "string") : [] };
}
