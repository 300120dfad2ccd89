// What a person does, in VS Code with the installed .vsix and the bundled model.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { PYTHON, startWorkbench } from "./workbench.mjs";

const STACK = "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n        ";

describe("VS Code", { timeout: 400_000 }, () => {
  let code;

  before(async () => {
    code = await startWorkbench("vscode", { machine: { "lineahead.interpreter": PYTHON } });
  });
  after(() => code?.stop());

  it("shows ghost text, which Tab accepts and undo takes back", async () => {
    await code.open("stack.py", `${STACK}‸\n`);
    await code.waitForStatus("ready");
    await code.type("self.items.");
    const ghost = await code.waitForGhost();
    await code.picture("ghost");
    await code.press("Tab");
    await code.save("stack.py", `${STACK}self.items.${ghost}\n`);
    assert.match(ghost, /^append\(item\)$/);
    await code.press("Control+z");
    await code.save("stack.py", `${STACK}self.items.\n`);
  });
});
