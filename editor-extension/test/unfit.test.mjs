// What does not fit: settings of wrong types at every level, and a folder that cannot be written.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { sleep, startWorkbench, until } from "./workbench.mjs";

const IMPORT = "try:\n    import json\n";

// Each setting with a value of a type that it does not have, and the list of languages in many ways.
const WRONG = {
  "lineahead.debounce": "soon",
  "lineahead.showAfter": [],
  "lineahead.maxLines": 1.5,
  "lineahead.commentsAndStrings": true,
  "lineahead.completionList": {},
  "lineahead.confidence": "high",
  "lineahead.exclude": "*.py",
  "lineahead.memory": 3,
  "lineahead.statistics": ["keep"],
};
const WRONG_OF_THE_MACHINE = { "lineahead.model": 7, "lineahead.log": false };
const LANGUAGES = {
  text: "yes",
  number: 1,
  nothing: null,
  list: ["python"],
  words: { python: "yes" },
  unnamed: { "": true, python: true },
};

describe("settings of wrong types", { timeout: 400_000 }, () => {
  let code;

  /** Completes as if nothing were set. */
  async function completes(file) {
    await code.open(file, `${IMPORT}‸\n`);
    await code.waitForStatus("ready");
    await code.type("except ");
    assert.equal(await code.waitForGhost(), "ImportError:");
    await code.press("Escape");
  }

  before(async () => {
    code = await startWorkbench("unfit", { settings: { ...WRONG, "lineahead.enable": "yes" } });
  });
  afterEach(async (context) => {
    if (context.error) await code?.picture(`failed-${context.name.replaceAll(/\W+/g, "-")}`);
  });
  after(() => code?.stop());

  it("of the person: are left at their defaults, and told in the log", async () => {
    await completes("person.py");
    for (const name of Object.keys(WRONG)) {
      await until(`${name} in the log`, () => code.log().includes(`${name}: expected`));
    }
  });

  it("of the person: the menu and the pages work", async () => {
    await code.openMenu();
    await code.press("Escape");
    await code.focused();
    await code.command("Lineahead: Statistics");
    await code.webview("Why nothing was suggested");
    await code.command("View: Close Editor");
  });

  it("of the machine: the list of languages, and what only a machine can set", async () => {
    for (const [name, enable] of Object.entries(LANGUAGES)) {
      code.writeMachineSettings({ ...WRONG_OF_THE_MACHINE, "lineahead.enable": enable });
      await sleep(700); // VS Code sees what is written on disk after a while
      await completes(`${name}.py`);
    }
    for (const name of Object.keys(WRONG_OF_THE_MACHINE)) {
      await until(`${name} in the log`, () => code.log().includes(`${name}: expected`));
    }
  });

  it("of the machine: the interpreter", async () => {
    const { interpreter } = code;
    code.writeMachineSettings({ "lineahead.interpreter": 5 });
    await code.waitForStatus("absent");
    code.writeMachineSettings({ "lineahead.interpreter": `${interpreter}-removed` });
    await code.waitForStatus("failed");
    assert.match(
      await code.status(),
      /lineahead\.interpreter: expected a Python .* found .*-removed: there is no such/,
    );
    code.writeMachineSettings({});
    await code.waitForStatus("ready");
  });

  it("of the folder and of the language", async () => {
    const folder = code.path(".vscode");
    mkdirSync(folder, { recursive: true });
    const wrong = {
      ...WRONG,
      "lineahead.enable": 5,
      "lineahead.debounce": { a: 1 },
      "[python]": WRONG,
      "[lineahead]": 3,
    };
    writeFileSync(join(folder, "settings.json"), JSON.stringify(wrong));
    let asked = 0; // VS Code sees what is written on disk after a while, and a file is typed into once
    await until("the folder's setting in the log", async () => {
      await completes(`folder${asked++}.py`);
      return code.log().includes("lineahead.debounce: expected int from 0 to 1000, found {'a': 1}");
    });
    await completes("language.py");
  });
});

/** Whether folders can be mounted here, which needs root and is forbidden in most containers. */
function canMount(folder) {
  try {
    execFileSync("mount", ["-t", "tmpfs", "lineahead", folder], { stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
}

describe("a folder that cannot be written", { timeout: 200_000 }, () => {
  let code;
  let root;
  let mounted;

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "lineahead-read-only-"));
    mounted = canMount(root);
    if (!mounted) return;
    mkdirSync(join(root, ".git"));
    writeFileSync(join(root, "known.py"), `def use(table):\n${"    total = frobnicate_quuxly(table)\n".repeat(5)}`);
    writeFileSync(join(root, "first.py"), `${IMPORT}\n`);
    execFileSync("mount", ["-o", "remount,ro", root]);
    code = await startWorkbench("read-only", { workspace: root });
  });
  afterEach(async (context) => {
    if (context.error) await code?.picture(`failed-${context.name.replaceAll(/\W+/g, "-")}`);
  });
  after(async () => {
    await code?.stop();
    if (mounted) execFileSync("umount", ["--lazy", root]);
    rmSync(root, { recursive: true, force: true });
  });

  it("is completed and learned from all the same", async (context) => {
    if (!mounted) return context.skip("nothing can be mounted here");
    assert.throws(() => writeFileSync(join(root, "new.py"), ""), /EROFS/);
    await code.pick("first.py");
    await code.press("Enter");
    await code.page.locator(".tab.active", { hasText: "first.py" }).waitFor();
    await code.focused();
    await code.press("Control+End", "ArrowUp");
    await code.waitForStatus("ready");
    await code.type("\nexcept ");
    assert.equal(await code.waitForGhost(), "ImportError:");
    await code.press("Tab");
    await code.type("\npass\ntotal = frobnicate_");
    await until("what the folder's other file has", async () => (await code.ghost()).startsWith("quuxly"));
    await code.picture("read-only");
    assert.doesNotMatch(code.log(), /Traceback|Read-only file system/);
    assert.ok(!existsSync(join(root, ".vscode")));
  });
});
