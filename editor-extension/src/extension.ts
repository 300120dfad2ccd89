// The extension: start the server, show its status, offer its commands. What knows more lives in the other files.

import * as vscode from "vscode";
import { ExecuteCommandRequest, LanguageClient, State } from "vscode-languageclient/node";
import { Ledger } from "./ledger";
import type { Numbers } from "./pages";
import { hidePeek, peek } from "./peek";
import { Popup } from "./popup";
import { useProjectModel } from "./project";
import { BrokenEnvironment, clientOptions, findInterpreter, serverOptions } from "./server";
import { languages } from "./settings";
import { onSetUp, setUp } from "./setup";
import { createStatusBar, type Status, showMenu, toggle } from "./status";
import { hideSurprise, type Perplexity, toggleSurprise } from "./surprise";
import { registerPages } from "./views";
import { announce, offerExample, offerSetUp, openExample, showAround } from "./welcome";

let client: LanguageClient | undefined;
let ledger: Ledger | undefined;

const keepsNumbers = () => vscode.workspace.getConfiguration("lineahead").get("statistics") === "keep";
const readNumbers = () => vscode.commands.executeCommand<Numbers>("lineahead.numbers");

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("Lineahead", { log: true });
  const status = createStatusBar();
  const popup = new Popup();
  const numbers = new Ledger(context.globalState, readNumbers, keepsNumbers);
  ledger = numbers;
  context.subscriptions.push(log, status);

  async function stop(): Promise<void> {
    const leaving = client;
    if (leaving) await numbers.look().catch(() => {}); // it may have ended already
    client = undefined;
    numbers.ended();
    await vscode.commands.executeCommand("setContext", "lineahead.running", false);
    await leaving?.dispose(2000).catch((error) => log.warn(`the server was ended: ${error}`));
  }

  async function start(): Promise<void> {
    status.show({ state: "loading", message: "The server is starting." });
    try {
      const interpreter = await findInterpreter(context);
      if (!interpreter) {
        status.show({ state: "absent", message: "The server is not set up yet: click here, then choose Set up." });
        announce(context);
        return;
      }
      log.info(`server: ${interpreter}`);
      const started = new LanguageClient(
        "lineahead",
        "Lineahead",
        serverOptions(interpreter, context),
        clientOptions(log, popup),
      );
      client = started;
      started.onNotification("lineahead/status", (now: Status) => status.show(now));
      started.onDidChangeState(({ newState }) => {
        if (client === started && newState === State.Starting) {
          status.show({ state: "loading", message: "The server is starting." });
        }
        // The client starts a server that has ended again, some times; what it does not start again stays ended.
        if (newState === State.Stopped) numbers.ended();
        if (client === started && newState === State.Stopped) {
          status.show({ state: "failed", message: "The server has ended: see the log, or restart it." });
        }
      });
      await started.start();
      await vscode.commands.executeCommand("setContext", "lineahead.running", true);
      status.show(await started.sendRequest<Status>("lineahead/status"));
    } catch (error) {
      log.error(error instanceof Error ? error : String(error));
      status.show({ state: "failed", message: error instanceof Error ? error.message : String(error) });
      if (error instanceof BrokenEnvironment) offerSetUp(error.message);
    }
  }

  let latest: Promise<void> = Promise.resolve(); // one start or stop at a time
  const restart = () => {
    latest = latest.then(stop).then(start);
    return latest;
  };

  async function measureSurprise(uri: string, token: vscode.CancellationToken): Promise<Perplexity> {
    if (!client) throw new Error("the server is not running");
    return client.sendRequest(ExecuteCommandRequest.type, { command: "lineahead.perplexity", arguments: [uri] }, token);
  }

  const isWaiting = () => ["absent", "failed"].includes(status.now().state);
  const alias = (name: string, target: string) =>
    vscode.commands.registerCommand(`lineahead.${name}`, () => vscode.commands.executeCommand(target));
  context.subscriptions.push(
    alias("trigger", "editor.action.inlineSuggest.trigger"),
    alias("acceptWord", "editor.action.inlineSuggest.acceptNextWord"),
    alias("acceptLine", "editor.action.inlineSuggest.acceptNextLine"),
    alias("next", "editor.action.inlineSuggest.showNext"),
    alias("previous", "editor.action.inlineSuggest.showPrevious"),
    vscode.commands.registerCommand("lineahead.list", () => {
      popup.ask();
      return vscode.commands.executeCommand("editor.action.triggerSuggest");
    }),
    registerPages(numbers, keepsNumbers),
    vscode.commands.registerCommand("lineahead.peek", peek),
    vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => hidePeek(textEditor)),
    vscode.commands.registerCommand("lineahead.setUp", async () => {
      const isThere = await setUp(context, log, stop, status.show);
      await restart();
      if (isThere) offerExample();
    }),
    vscode.commands.registerCommand("lineahead.useProjectModel", useProjectModel),
    onSetUp(context, () => isWaiting() && restart()),
    vscode.commands.registerCommand("lineahead.showAround", () => showAround(context)),
    vscode.commands.registerCommand("lineahead.example", openExample),
    vscode.commands.registerCommand("lineahead.restartServer", restart),
    vscode.commands.registerCommand("lineahead.showLog", () => log.show()),
    vscode.commands.registerCommand("lineahead.menu", () => showMenu(status.now())),
    vscode.commands.registerCommand("lineahead.toggle", toggle),
    vscode.commands.registerCommand("lineahead.showPerplexity", () => toggleSurprise(measureSurprise)),
    vscode.workspace.onDidChangeTextDocument(({ document }) => hideSurprise(document)),
    vscode.workspace.onDidGrantWorkspaceTrust(restart),
    vscode.workspace.onDidChangeConfiguration((change) => {
      const unknown = client && languages().some((each) => !client?.clientOptions.documentSelector?.includes(each));
      if (unknown || change.affectsConfiguration("lineahead.interpreter")) restart();
    }),
  );
  await restart();
}

export async function deactivate(): Promise<void> {
  if (client && keepsNumbers()) await ledger?.look().catch(() => {});
  await client?.dispose(2000);
}
