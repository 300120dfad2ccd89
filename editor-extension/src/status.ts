// The item in the status bar and the menu behind it.

import * as vscode from "vscode";
import { enabled, isEnabled, languages } from "./settings";

/** "absent": there is no server to start yet; the others are the server's own words, which a test can compare. */
export const STATES = ["absent", "loading", "ready", "off", "snoozed", "failed"] as const;

/** What the server sends as `lineahead/status`. */
export interface Status {
  state: (typeof STATES)[number];
  message: string;
  /** The folder of the model, or "bundled". */
  model?: string;
  milliseconds?: number | null;
}

const ICONS: Record<Status["state"], string> = {
  absent: "$(cloud-download)",
  loading: "$(sync~spin)",
  ready: "$(chevron-right)",
  off: "$(circle-slash)",
  snoozed: "$(bell-slash)",
  failed: "$(error)",
};

/** The item, and the editor's own list of what serves a language, show the server's last status; or that it is off. */
export function createStatusBar() {
  const item = vscode.window.createStatusBarItem("status", vscode.StatusBarAlignment.Right, 100);
  item.name = "Lineahead";
  item.command = "lineahead.menu";
  item.show();
  const language = vscode.languages.createLanguageStatusItem("lineahead", languages());
  language.name = language.text = "Lineahead";
  language.command = { title: "Menu", command: "lineahead.menu" };
  let last: Status = { state: "loading", message: "The server is starting." };

  const now = (): Status => {
    const active = vscode.window.activeTextEditor?.document.languageId;
    return last.state === "ready" && active && !isEnabled(active)
      ? { state: "off", message: `Switched off for ${active} files.` }
      : last;
  };
  const draw = () => {
    const { state, message: what, model, milliseconds } = now();
    const message = state === "ready" && model && model !== "bundled" ? `${what} Its model is ${model}.` : what;
    const time = milliseconds == null ? "" : ` The last suggestion took ${Math.round(milliseconds)} ms.`;
    // Its width does not change with what it does, so that nothing beside it moves.
    item.text = `${ICONS[state]} Lineahead${state === "absent" ? ": set up" : ""}`;
    item.tooltip = `Lineahead: ${state}. ${message}${time}`;
    language.detail = message;
    language.busy = state === "loading";
    language.severity =
      vscode.LanguageStatusSeverity[state === "failed" ? "Error" : state === "absent" ? "Warning" : "Information"];
    item.accessibilityInformation = { label: `Lineahead: ${state}. ${message}`, role: "button" };
    item.backgroundColor = state === "failed" ? new vscode.ThemeColor("statusBarItem.errorBackground") : undefined;
  };
  const listeners = [
    vscode.window.onDidChangeActiveTextEditor(draw),
    vscode.workspace.onDidChangeConfiguration((change) => change.affectsConfiguration("lineahead.enable") && draw()),
  ];
  draw();
  return {
    now,
    show(status: Status): void {
      last = status;
      draw();
    },
    dispose: () => vscode.Disposable.from(item, language, ...listeners).dispose(),
  };
}

/** Switch the active editor's language on or off, where the setting was made. */
export async function toggle(): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId ?? "python";
  const settings = vscode.workspace.getConfiguration("lineahead");
  const enable = { ...enabled(), [language]: !isEnabled(language) };
  const inWorkspace = settings.inspect("enable")?.workspaceValue !== undefined;
  await settings.update("enable", enable, !inWorkspace);
}

type Choice = vscode.QuickPickItem & { command: string; arguments?: unknown[] };

/** What can be done now; `status` decides what comes first. */
export async function showMenu(status: Status): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId ?? "python";
  const choices: Choice[] = [];
  if (status.state === "absent") {
    choices.push({ label: "$(cloud-download) Set up", detail: "Install the server, once", command: "lineahead.setUp" });
  } else {
    const label = isEnabled(language)
      ? `$(circle-slash) Switch off for ${language}`
      : `$(check) Switch on for ${language}`;
    if (status.state === "failed") {
      choices.push({ label: "$(debug-restart) Restart the server", command: "lineahead.restartServer" });
      choices.push({ label: "$(cloud-download) Set up again", command: "lineahead.setUp" });
    }
    choices.push({ label, command: "lineahead.toggle" });
    if (status.state === "snoozed") {
      choices.push({ label: "$(bell) Wake", command: "lineahead.snooze", arguments: [0] });
    } else {
      for (const minutes of [5, 30]) {
        const label = `$(bell-slash) Snooze for ${minutes} minutes`;
        choices.push({ label, command: "lineahead.snooze", arguments: [minutes] });
      }
    }
    choices.push({ label: "$(question) Why nothing here?", command: "lineahead.whyNothing" });
    choices.push({ label: "$(graph) Statistics", command: "lineahead.statisticsPage" });
    choices.push({ label: "$(book) What it knows", command: "lineahead.whatItKnows" });
  }
  choices.push({
    label: "$(gear) Settings",
    command: "workbench.action.openSettings",
    arguments: ["@ext:lineahead.lineahead"],
  });
  choices.push({ label: "$(compass) Show me around", command: "lineahead.showAround" });
  choices.push({ label: "$(output) Log", command: "lineahead.showLog" });
  const choice = await vscode.window.showQuickPick(choices, { title: "Lineahead", placeHolder: status.message });
  // Whether or not something was chosen, the keyboard would stay with the status bar's item.
  await vscode.commands.executeCommand("workbench.action.focusActiveEditorGroup");
  if (choice) await vscode.commands.executeCommand(choice.command, ...(choice.arguments ?? []));
}
