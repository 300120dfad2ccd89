// How surprising each line of a file is to the model, as a shade behind the line.

import * as vscode from "vscode";

interface Perplexity {
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

/** Take the shades away: they are of a text that is no more. */
export function hideSurprise(document: vscode.TextDocument): void {
  if (!shown.delete(document.uri.toString())) return;
  for (const editor of vscode.window.visibleTextEditors) {
    if (editor.document === document) for (const shade of SHADES) editor.setDecorations(shade, []);
  }
}

/** Shade the active editor's lines and say the sum of it; or take the shades away. */
export async function toggleSurprise(): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor) return;
  const uri = editor.document.uri.toString();
  if (shown.has(uri)) return hideSurprise(editor.document);
  let found: Perplexity;
  try {
    found = await vscode.commands.executeCommand<Perplexity>("lineahead.perplexity", uri);
  } catch (error) {
    vscode.window.showWarningMessage(`Lineahead: ${error instanceof Error ? error.message : error}`);
    return;
  }
  const byShade: vscode.DecorationOptions[][] = SHADES.map(() => []);
  for (const { line, bits, bitsPerByte } of found.lines) {
    const shade = Math.min(SHADES.length - 1, Math.floor((SHADES.length * bitsPerByte) / FULL));
    const hoverMessage = `Lineahead: ${bitsPerByte.toFixed(2)} bits per byte, ${bits.toFixed(0)} bits in this line`;
    byShade[shade]?.push({ range: editor.document.lineAt(line).range, hoverMessage });
  }
  SHADES.forEach((shade, place) => {
    editor.setDecorations(shade, byShade[place] ?? []);
  });
  shown.add(uri);
  const most = found.lines.slice(0, 3).map((each) => ({ title: `Line ${each.line + 1}`, line: each.line }));
  const numbers = `${found.bitsPerByte.toFixed(2)} bits per byte, perplexity ${found.perplexity.toFixed(2)}`;
  const words = `Lineahead: ${numbers}. Most surprising lines:`;
  const chosen = await vscode.window.showInformationMessage(words, ...most);
  if (!chosen || chosen.line >= editor.document.lineCount) return;
  const { range } = editor.document.lineAt(chosen.line);
  await vscode.window.showTextDocument(editor.document, { viewColumn: editor.viewColumn, selection: range });
}
