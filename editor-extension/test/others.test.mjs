// VS Code where another extension suggests inline, too.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { OUT, sleep, startWorkbench, until, VSIX } from "./workbench.mjs";

const IMPORT = "try:\n    import json\n";

describe("VS Code with another inline provider", { timeout: 300_000 }, () => {
  let code;

  before(async () => {
    const other = join(OUT, "other.vsix");
    const extension = import.meta.dirname;
    const vsce = join(extension, "..", "node_modules", ".bin", "vsce");
    const without = ["--no-dependencies", "--skip-license", "--allow-missing-repository"];
    execFileSync(vsce, ["package", ...without, "--out", other], { cwd: join(extension, "other"), stdio: "pipe" });
    code = await startWorkbench("others", { vsix: [VSIX, other] });
  });
  after(() => code?.stop());

  it("has both suggestions at a place, one cycles through them, and Tab takes the one that is seen", async () => {
    await code.open("both.py", `${IMPORT}‸\n`);
    await code.waitForStatus("ready");
    await code.type("except ");
    const seen = new Set();
    await until("both suggestions", async () => {
      seen.add(await code.waitForGhost());
      await code.press("Alt+BracketRight");
      return seen.has("ImportError:") && seen.has("other()");
    });
    await sleep(500); // the next of them is there
    await code.picture("others");
    const shown = await code.waitForGhost();
    await code.press("Tab");
    await code.save("both.py", `${IMPORT}except ${shown}\n`);
  });

  it("leaves the other's where it has none itself", async () => {
    await code.open("theirs.py", "‸\n");
    await code.type("qzxv = ");
    await until("the other's suggestion", async () => (await code.ghost()) === "other()");
    await code.press("Escape", "Enter");
    await code.type("done");
    await code.press("Escape");
    await code.save("theirs.py", "qzxv = \ndone\n");
  });
});
