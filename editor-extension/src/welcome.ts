// The first minute: a word when Python is first written, one when all is set up, and a place to try it.

import * as vscode from "vscode";
import { packed } from "./server";

const ANNOUNCED = "announced";

const EXAMPLE = `# The grey text is a suggestion: Tab accepts all of it, Ctrl+Right a word,
# and Escape dismisses it.


class Stack:
    def __init__(self):
        self.items = []

    def push(self, item):
        self.items.`;

/** Say once, and never again, that there is something to set up. */
export async function announce(context: vscode.ExtensionContext): Promise<void> {
  if (context.globalState.get(ANNOUNCED)) return;
  await context.globalState.update(ANNOUNCED, true);
  const how = packed(context).libraries ? "without a network" : "which downloads about 55 MB";
  const words = `Lineahead suggests the rest of the line in Python. It is set up once, ${how}.`;
  const choice = await vscode.window.showInformationMessage(words, "Set up", "Show me around");
  if (choice === "Set up") await vscode.commands.executeCommand("lineahead.setUp");
  if (choice === "Show me around") await showAround(context);
}

/** Say that the environment is gone, and offer to make it anew. */
export async function offerSetUp(problem: string): Promise<void> {
  const choice = await vscode.window.showErrorMessage(`Lineahead: ${problem}`, "Set up again", "Show the log");
  if (choice === "Set up again") await vscode.commands.executeCommand("lineahead.setUp");
  if (choice === "Show the log") await vscode.commands.executeCommand("lineahead.showLog");
}

/** Open the walkthrough. */
export async function showAround(context: vscode.ExtensionContext): Promise<void> {
  await vscode.commands.executeCommand("workbench.action.openWalkthrough", `${context.extension.id}#welcome`, false);
}

/** Say that all is there, and offer a place to try it. */
export async function offerExample(): Promise<void> {
  const choice = await vscode.window.showInformationMessage("Lineahead is set up.", "Try it", "Later");
  if (choice === "Try it") await openExample();
}

/** Open a new file that nobody has to save, with the cursor where something is suggested. */
export async function openExample(): Promise<void> {
  const document = await vscode.workspace.openTextDocument({ language: "python", content: EXAMPLE });
  const editor = await vscode.window.showTextDocument(document);
  const end = document.lineAt(document.lineCount - 1).range.end;
  editor.selection = new vscode.Selection(end, end);
  await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
}
