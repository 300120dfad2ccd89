// A repository that means harm, opened in VS Code: completion works meanwhile, nothing of it is executed or read outside.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { startWorkbench, until } from "./workbench.mjs";

const HOSTILE = join(import.meta.dirname, "..", "..", "tests", "hostile.py");
const CALLS = "%file,network,execve";
// Nobody has said that they trust these files, and nobody is asked.
const SETTINGS = {
  "security.workspace.trust.enabled": true,
  "security.workspace.trust.startupPrompt": "never",
  "security.workspace.trust.banner": "never",
};

describe("a hostile repository in VS Code", { timeout: 600_000 }, () => {
  let code;
  let root;
  const place = (name) => join(root, name);
  const make = (...options) => execFileSync("python3", ["-I", HOSTILE, root, ...options]);
  /** The calls of everything that the extension has started. */
  const calls = () =>
    readdirSync(root)
      .filter((name) => name.startsWith("trace"))
      .flatMap((name) => readFileSync(place(name), "utf8").split("\n"));

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "lineahead-hostile-"));
    make("--files", "500");
    code = await startWorkbench("hostile", {
      workspace: place("repository"),
      settings: SETTINGS,
      tracer: `strace -D -ff -qq -s 300 -o "${place("trace")}" -e trace=${CALLS}`,
    });
  });
  afterEach(async (context) => {
    if (context.error) await code.picture("failed-hostile").catch(() => undefined);
  });
  after(async () => {
    await code?.stop();
    make("--remove");
    rmSync(root, { recursive: true, force: true });
  });

  it("completes from what it has read", async () => {
    writeFileSync(place("repository/new_one.py"), "def measured_columns(table):\n    return frobnicate_");
    // Quick Open never comes to an end there: it reads a pipe that is called .gitignore.
    await code.command("File: Open File...");
    const input = code.page.locator(".quick-input-widget input").first();
    await until("the dialog", async () => (await input.inputValue()).endsWith("/repository/"));
    await code.type("new_one.py", 60);
    await code.press("Enter");
    await code.page.locator(".tab.active", { hasText: "new_one.py" }).waitFor();
    await code.focused();
    await code.press("Control+End");
    await code.waitForStatus("ready", 120_000);
    await until(
      "ghost text from the repository",
      async () => {
        await code.type("qu");
        const found = await until("it", async () => (await code.ghost()).startsWith("uxly"), 3000).catch(() => false);
        await code.press("Escape", "Backspace", "Backspace");
        return found;
      },
      180_000,
    );
  });

  it("has executed nothing of it, and has read nothing outside", async () => {
    await code.stop(); // all is written then
    assert.ok(!existsSync(place("executed")), existsSync(place("executed")) && readFileSync(place("executed"), "utf8"));
    const seen = calls();
    const opened = seen.filter((line) => /\bopen/.test(line) && !line.includes("= -1 E"));
    assert.ok(
      opened.some((line) => line.includes("known.py")),
      "the trace shows what was read",
    );
    for (const forbidden of [place("outside"), '"/etc/passwd"', '"/dev/zero"', '"/dev/random"', "/proc/self/mem"]) {
      assert.deepEqual(
        opened.filter((line) => line.includes(forbidden)),
        [],
        forbidden,
      );
    }
    assert.deepEqual(
      seen.filter((line) => /AF_INET/.test(line)),
      [],
    );
    assert.deepEqual(
      seen.filter((line) => line.includes("execve(") && line.includes(place("repository"))),
      [],
    );
    assert.deepEqual(
      opened.filter((line) => /O_WRONLY|O_RDWR|O_CREAT/.test(line) && line.includes(place("repository"))),
      [],
    );
  });
});
