const vscode = require("vscode");

exports.activate = (context) => {
  const provider = {
    provideInlineCompletionItems(document, position) {
      const isLineEnd = position.character === document.lineAt(position).text.length;
      return isLineEnd ? [new vscode.InlineCompletionItem("other()", new vscode.Range(position, position))] : [];
    },
  };
  context.subscriptions.push(vscode.languages.registerInlineCompletionItemProvider({ language: "python" }, provider));
};
