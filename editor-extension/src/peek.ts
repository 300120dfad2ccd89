// What would be suggested at the cursor, however unsure: dimmed, until the next key.

import * as vscode from "vscode";

interface Candidate {
  text: string;
  confidence: number;
}

const dimmed = vscode.window.createTextEditorDecorationType({});

/** Show the likeliest rest of the line with its probability behind the cursor. */
export async function peek(): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor) return;
  const cursor = editor.selection.active;
  const version = editor.document.version;
  const place = [editor.document.uri.toString(), cursor.line, cursor.character];
  const [best] = await vscode.commands.executeCommand<Candidate[]>("lineahead.candidates", ...place);
  if (!best || editor.document.version !== version || !editor.selection.active.isEqual(cursor)) return;
  const contentText = `${best.text.split("\n")[0]}  ${Math.round(100 * best.confidence)} %`;
  const color = new vscode.ThemeColor("editorGhostText.foreground");
  const after = { contentText, color, fontStyle: "italic" };
  editor.setDecorations(dimmed, [{ range: new vscode.Range(cursor, cursor), renderOptions: { after } }]);
}

/** Take it away. */
export function hidePeek(editor: vscode.TextEditor | undefined): void {
  editor?.setDecorations(dimmed, []);
}
