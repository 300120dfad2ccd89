// Two windows on one folder, from the set-up on; then the environment is removed from under them.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { OFFLINE, startWorkbench, until } from "./workbench.mjs";

const IMPORT = "try:\n    import json\n";

describe("two windows on one folder", { timeout: 400_000 }, () => {
  let one;
  let other;

  before(async () => {
    one = await startWorkbench("windows", { vsix: OFFLINE, installed: false });
    other = await one.another();
  });
  afterEach(async (context) => {
    if (!context.error) return;
    const name = context.name.replaceAll(/\W+/g, "-");
    await one?.picture(`failed-${name}`);
    if (!other?.page.isClosed()) await other?.picture(`failed-other-${name}`);
  });
  after(() => one?.stop());

  it("set up once: the second waits for the first, and starts by itself", async () => {
    await one.open("one.py", `${IMPORT}‸\n`);
    await one.waitForNotification("It is set up once");
    await other.open("other.py", `${IMPORT}‸\n`);
    await other.waitForStatus("absent");
    await one.page.bringToFront();
    await one.choose("Set up");
    await one.waitForStatus("loading");
    await other.page.bringToFront();
    await other.command("Lineahead: Set up");
    await other.waitForNotification("being set up already");
    await other.picture("set-up-already");
    await one.waitForNotification("Lineahead is set up.", 240_000);
    await one.waitForStatus("ready", 120_000);
    await other.waitForStatus("ready", 120_000);
  });

  it("complete in both, in the same file, too", async () => {
    for (const window of [one, other]) {
      await window.page.bringToFront();
      await window.command("Notifications: Clear All Notifications");
      await window.open("both.py", `${IMPORT}‸\n`);
      await window.type("except ");
      assert.equal(await window.waitForGhost(), "ImportError:");
      await window.press("Escape");
    }
  });

  it("go on when one is closed", async () => {
    await other.page.close();
    await one.page.bringToFront();
    await one.open("alone.py", `${IMPORT}‸\n`);
    await one.type("except ");
    assert.equal(await one.waitForGhost(), "ImportError:");
  });

  it("are told that the environment is gone, and make it anew", async () => {
    const python = join(one.paths.profile, "User/globalStorage/lineahead.lineahead/environment/bin/python");
    rmSync(python);
    await one.command("Lineahead: Restart the server");
    const message = await one.waitForNotification("Set it up again");
    assert.match(message, /Expected the Python that Set up made.*, found .*bin\/python: there is no such program/);
    await one.picture("removed");
    await one.waitForStatus("failed");
    await one.choose("Set up again");
    await one.waitForNotification("Lineahead is set up.", 240_000);
    await one.waitForStatus("ready", 120_000);
    await one.open("again.py", `${IMPORT}‸\n`);
    await one.type("except ");
    assert.equal(await one.waitForGhost(), "ImportError:");
    await until("no ghost text", async () => {
      await one.press("Escape");
      return (await one.ghost()) === "";
    });
  });
});
