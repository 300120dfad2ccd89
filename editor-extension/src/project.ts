// "Lineahead: Use the model that knows this project": the one that `python -m training.adapt` left in it.

import * as vscode from "vscode";
import { LEFT_IN, modelsOf, problemOf } from "./adapted";

/** Find the model, or ask for it, and write its folder into the workspace's settings; say what came of it. */
export async function useProjectModel(): Promise<void> {
  if (!vscode.workspace.isTrusted) {
    vscode.window.showWarningMessage("Lineahead opens no model for a workspace that you do not trust.");
    return;
  }
  const folders = (vscode.workspace.workspaceFolders ?? [])
    .filter(({ uri }) => uri.scheme === "file")
    .map(({ uri }) => uri.fsPath);
  if (!folders.length) {
    vscode.window.showWarningMessage("Open the project's folder first: the model is for that project alone.");
    return;
  }
  const model = await choose(modelsOf(folders), folders);
  if (!model) return;
  const problem = problemOf(model);
  if (problem) {
    vscode.window.showErrorMessage(`${model}: ${problem}. Nothing was changed.`);
    return;
  }
  try {
    const settings = vscode.workspace.getConfiguration("lineahead");
    await settings.update("model", model, vscode.ConfigurationTarget.Workspace);
    vscode.window.showInformationMessage(`Lineahead uses ${model} in this workspace: the setting lineahead.model.`);
  } catch (error) {
    vscode.window.showErrorMessage(`The setting lineahead.model could not be written: ${error}. Nothing was changed.`);
  }
}

/** The only model there is, the one that is picked of several, or a folder that the person names. */
async function choose(models: string[], folders: string[]): Promise<string | undefined> {
  if (models.length === 1) return models[0];
  if (models.length) return vscode.window.showQuickPick(models, { title: "The model that knows this project" });
  const [first = ""] = folders;
  const none = `No model was found in ${LEFT_IN}. \`python -m training.adapt ${first}\` makes one, in minutes.`;
  if ((await vscode.window.showInformationMessage(none, "Choose a folder")) !== "Choose a folder") return undefined;
  const chosen = await vscode.window.showOpenDialog({
    title: "A model's folder",
    canSelectFiles: false,
    canSelectFolders: true,
    defaultUri: vscode.Uri.file(first),
  });
  return chosen?.[0]?.fsPath;
}
