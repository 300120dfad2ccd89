// The pages in the editor: what Lineahead knows, and the statistics.

import * as vscode from "vscode";
import type { Ledger } from "./ledger";
import { type Knowledge, knowledgePage, numbersPage } from "./pages";

const COMMANDS = ["forgetFile", "forgetAll", "whatItKnows", "eraseNumbers", "statisticsPage"].map(
  (name) => `lineahead.${name}`,
);
const panels = new Map<string, vscode.WebviewPanel>();

/** Show a page, in the place where it is open already. */
function show(name: string, title: string, html: string): void {
  let panel = panels.get(name);
  if (!panel) {
    panel = vscode.window.createWebviewPanel(`lineahead.${name}`, title, vscode.ViewColumn.Active, {
      enableCommandUris: COMMANDS,
      localResourceRoots: [],
    });
    panel.onDidDispose(() => panels.delete(name));
    panels.set(name, panel);
  }
  panel.webview.html = html;
  panel.reveal();
}

const isAddress = (name: string) => /^[\w-]{2,}:/.test(name); // one letter is a drive

async function showKnowledge(): Promise<void> {
  const knowledge = await vscode.commands.executeCommand<Knowledge>("lineahead.knowledge");
  const short = (name: string) => (isAddress(name) ? name : vscode.workspace.asRelativePath(name));
  const uri = (name: string) => (isAddress(name) ? name : vscode.Uri.file(name).toString());
  show("whatItKnows", "What Lineahead knows", knowledgePage(knowledge, short, uri));
}

async function showNumbers(ledger: Ledger, keeps: () => boolean): Promise<void> {
  const numbers = await ledger.look();
  show("statisticsPage", "Lineahead: statistics", numbersPage(numbers, ledger.days, keeps()));
}

/** The commands of the pages; they need a server that runs. */
export function registerPages(ledger: Ledger, keeps: () => boolean): vscode.Disposable {
  const command = (name: string, run: (...args: string[]) => Promise<void>) =>
    vscode.commands.registerCommand(`lineahead.${name}`, run);
  return vscode.Disposable.from(
    command("whatItKnows", showKnowledge),
    command("statisticsPage", () => showNumbers(ledger, keeps)),
    command("forgetFile", async (uri = vscode.window.activeTextEditor?.document.uri.toString()) => {
      if (uri) await vscode.commands.executeCommand("lineahead.forget", uri);
      if (panels.has("whatItKnows")) await showKnowledge();
    }),
    command("forgetAll", async () => {
      await vscode.commands.executeCommand("lineahead.forget");
      if (panels.has("whatItKnows")) await showKnowledge();
    }),
    command("eraseNumbers", async () => {
      await vscode.commands.executeCommand("lineahead.eraseStatistics");
      await ledger.erase();
      if (panels.has("statisticsPage")) await showNumbers(ledger, keeps);
    }),
  );
}
