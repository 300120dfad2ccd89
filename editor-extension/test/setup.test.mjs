// A clean profile with nothing but Python: "Set up" brings it to the first ghost text.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { startWorkbench } from "./workbench.mjs";

describe("a machine with nothing but Python", { timeout: 240_000 }, () => {
  let code;

  before(async () => {
    code = await startWorkbench("setup", { installed: false });
  });
  after(() => code?.stop());

  it("is set up by one command", async () => {
    await code.open("first.py", "try:\n    import json\n‸\n");
    await code.waitForStatus("absent");
    await code.command("Lineahead: Set up");
    await code.waitForStatus("ready", 180_000);
    await code.open("second.py", "try:\n    import json\n‸\n");
    await code.type("except ");
    assert.equal(await code.waitForGhost(), "ImportError:");
    await code.picture("set-up");
    await code.press("Tab");
    await code.save("second.py", "try:\n    import json\nexcept ImportError:\n");
  });
});
