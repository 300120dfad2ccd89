// The first minute: a clean profile with nothing but Python is told what there is, set up, and shown the first ghost text.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { OUT, startWorkbench, until } from "./workbench.mjs";

const PIP = join(OUT, "pip.conf");
const storage = (code) => join(code.paths.profile, "User/globalStorage/lineahead.lineahead");

describe("a machine with nothing but Python", { timeout: 300_000 }, () => {
  let code;
  let begun;

  before(async () => {
    mkdirSync(OUT, { recursive: true });
    code = await startWorkbench("setup", { installed: false, environment: { PIP_CONFIG_FILE: PIP } });
    // What a set-up leaves that was killed in the middle.
    mkdirSync(join(storage(code), "environment/bin"), { recursive: true });
    writeFileSync(join(storage(code), "environment/bin/python"), "#!/bin/sh\necho lineahead 0.0\n", { mode: 0o755 });
  });
  afterEach(async (context) => {
    if (context.error) await code.picture(`failed-${context.name.replaceAll(/\W+/g, "-")}`);
  });
  after(() => code?.stop());

  it("is told once what there is, and shown around", async () => {
    await code.open("first.py", "try:\n    import json\n‸\n");
    await code.waitForStatus("absent");
    await code.waitForNotification("It is set up once");
    await code.picture("announced");
    await code.choose("Show me around");
    await code.page.locator(".getting-started-step", { hasText: "Set it up, once" }).first().waitFor();
    await code.page.locator(".getting-started-step", { hasText: "Ask why there is nothing" }).first().waitFor();
    await until("a picture", () =>
      code.page
        .locator(".getting-started-media img")
        .first()
        .evaluate((image) => image.naturalWidth),
    );
    await code.picture("walkthrough");
    await code.command("View: Close Editor");
    await code.reload();
    await code.open("again.py", "‸\n");
    await code.waitForStatus("absent");
    assert.equal(await code.notification(), "");
  });

  it("says what to do without a network", async () => {
    writeFileSync(
      PIP,
      "[global]\nindex-url = http://127.0.0.1:9/\nextra-index-url =\nfind-links =\nno-index = false\n",
    );
    await code.command("Lineahead: Set up");
    await code.waitForNotification("1 of 3: an environment", 60_000);
    await code.waitForNotification("The package index cannot be reached", 120_000);
    await code.picture("no-network");
    await code.waitForStatus("absent");
    writeFileSync(PIP, "");
    begun = performance.now();
    await code.choose("Try again");
  });

  it("is set up in stages, and offers a place to try", async (context) => {
    await code.waitForNotification("2 of 3: downloading", 120_000);
    await code.picture("stages");
    await code.waitForNotification("Lineahead is set up.", 240_000);
    await code.waitForStatus("ready", 120_000);
    await code.choose("Try it");
    assert.match(await code.waitForGhost(60_000), /^append\(item\)/);
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    const found = `set up: ${seconds} s from the click to the first ghost text`;
    context.diagnostic(found);
    writeFileSync(join(OUT, "first-minute.txt"), `${found}\n`);
    await code.picture("set-up");
    await code.press("Tab");
    await until("no ghost text", async () => (await code.ghost()) === "");
    await code.open("second.py", "try:\n    import json\n‸\n");
    await code.type("except ");
    assert.equal(await code.waitForGhost(), "ImportError:");
    await code.press("Tab");
    await code.save("second.py", "try:\n    import json\nexcept ImportError:\n");
  });
});
