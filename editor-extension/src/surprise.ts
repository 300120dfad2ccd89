// How surprising each line of a file is to the model, as a shade behind the line.

import * as vscode from "vscode";
import { LSPErrorCodes } from "vscode-languageclient/node";

export interface Perplexity {
  bitsPerByte: number;
  perplexity: number;
  lines: { line: number; text: string; bits: number; bitsPerByte: number }[];
}

const FULL = 4; // bits per byte that get the deepest shade: more is rare in code that runs
const SHADES = [0.06, 0.12, 0.2, 0.3, 0.42].map((opacity) =>
  vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: `rgba(230, 120, 20, ${opacity})`,
  }),
);
const shown = new Set<string>();
const asked = new Map<string, vscode.CancellationTokenSource>();
const MOMENT = 700; // milliseconds: shorter than that, no message that it is under way comes and goes

/** Asks the server about a document, until it is cancelled. */
type Ask = (uri: string, token: vscode.CancellationToken) => Promise<Perplexity>;

/** Take the shades away, those to come, too: they are of a text that is no more. */
export function hideSurprise(document: vscode.TextDocument): void {
  asked.get(document.uri.toString())?.cancel();
  if (!shown.delete(document.uri.toString())) return;
  for (const editor of vscode.window.visibleTextEditors) {
    if (editor.document === document) for (const shade of SHADES) editor.setDecorations(shade, []);
  }
}

/** What the server finds, or undefined where it was stopped, or is itself. A large file takes minutes. */
async function measure(ask: Ask, uri: string, stop: vscode.CancellationTokenSource): Promise<Perplexity | undefined> {
  const found = ask(uri, stop.token).catch((error) => {
    if (error?.code !== LSPErrorCodes.RequestCancelled) throw error;
    return undefined;
  });
  const moment = new Promise((resolve) => setTimeout(resolve, MOMENT, "late"));
  if ((await Promise.race([found, moment])) === "late") {
    const title = "Lineahead: reading the file for what is surprising";
    const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
    await vscode.window.withProgress(options, (_, token) => {
      token.onCancellationRequested(() => stop.cancel());
      return found;
    });
  }
  return found;
}

/** Shade the active editor's lines and say the sum of it; or take the shades away. */
export async function toggleSurprise(ask: Ask): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor) return;
  const { document } = editor;
  const { version } = document;
  const uri = document.uri.toString();
  if (shown.has(uri)) return hideSurprise(document);
  if (asked.has(uri)) return;
  const stop = new vscode.CancellationTokenSource();
  asked.set(uri, stop);
  let found: Perplexity | undefined;
  try {
    found = await measure(ask, uri, stop);
  } catch (error) {
    vscode.window.showWarningMessage(`Lineahead: ${error instanceof Error ? error.message : error}`);
  } finally {
    asked.delete(uri);
  }
  if (document.version !== version) {
    vscode.window.showInformationMessage("Lineahead: the file has changed while it was read. Ask again.");
    return;
  }
  if (!found) return;
  const byShade: vscode.DecorationOptions[][] = SHADES.map(() => []);
  for (const { line, bits, bitsPerByte } of found.lines) {
    const shade = Math.min(SHADES.length - 1, Math.floor((SHADES.length * bitsPerByte) / FULL));
    const hoverMessage = `Lineahead: ${bitsPerByte.toFixed(2)} bits per byte, ${bits.toFixed(0)} bits in this line`;
    byShade[shade]?.push({ range: document.lineAt(line).range, hoverMessage });
  }
  SHADES.forEach((shade, place) => {
    editor.setDecorations(shade, byShade[place] ?? []);
  });
  shown.add(uri);
  const most = found.lines.slice(0, 3).map((each) => ({ title: `Line ${each.line + 1}`, line: each.line }));
  const numbers = `${found.bitsPerByte.toFixed(2)} bits per byte, perplexity ${found.perplexity.toFixed(2)}`;
  const words = `Lineahead: ${numbers}. Most surprising lines:`;
  const chosen = await vscode.window.showInformationMessage(words, ...most);
  if (!chosen || chosen.line >= document.lineCount) return;
  const { range } = document.lineAt(chosen.line);
  await vscode.window.showTextDocument(document, { viewColumn: editor.viewColumn, selection: range });
}
