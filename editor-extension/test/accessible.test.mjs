// For people who listen, magnify or need contrast: what a screen reader is given, and the pages in high contrast and
// enlarged, checked by axe.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, afterEach, before, describe, it } from "node:test";
import { startWorkbench, until } from "./workbench.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");
const IMPORT = "try:\n    import json\n";
const THEMES = { "Default High Contrast": "hc-black", "Default High Contrast Light": "hc-light" };
const SETTINGS = {
  "editor.accessibilitySupport": "on",
  "accessibility.verbosity.inlineCompletions": true,
};

describe("VS Code with a screen reader", { timeout: 300_000 }, () => {
  let code;

  before(async () => {
    code = await startWorkbench("accessible", { settings: SETTINGS });
  });
  afterEach(async (context) => {
    if (context.error) await code?.picture(`failed-${context.name.replaceAll(/\W+/g, "-")}`);
  });
  after(() => code?.stop());

  it("reads the suggestion in the accessible view", async () => {
    await code.open("heard.py", `${IMPORT}‸\n`);
    await code.waitForStatus("ready");
    await code.type("except ");
    assert.equal(await code.waitForGhost(), "ImportError:");
    await code.press("Alt+F2");
    const view = code.page.locator(".accessible-view");
    await view.waitFor();
    await until("the suggestion", async () =>
      (await view.textContent()).replaceAll("\u00a0", " ").includes("ImportError:"),
    );
    await code.picture("accessible-view");
    await code.press("Escape");
    await code.focused();
  });

  it("names the item in the status bar, and says that it is a button", async () => {
    const item = code.page.locator('.statusbar-item [aria-label^="Lineahead: ready"]').first();
    assert.equal(await item.getAttribute("role"), "button");
  });

  it("has the suggestion on the line, in its size, where the editor's font is enlarged", async () => {
    for (let step = 0; step < 8; step++) await code.command("Increase Editor Font Size");
    await code.open("large.py", `${IMPORT}‸\n`);
    await code.type("except ");
    assert.equal(await code.waitForGhost(), "ImportError:");
    const [line, ghost] = await code.page.evaluate(() =>
      [".editor-instance .view-line", ".editor-instance [class*='ghost-text']"].map((selector) => {
        const piece = [...document.querySelectorAll(selector)].find((each) =>
          /except|ImportError/.test(each.textContent),
        );
        return { size: getComputedStyle(piece).fontSize, top: piece.getBoundingClientRect().top };
      }),
    );
    assert.deepEqual(ghost.size, line.size);
    assert.ok(Number.parseFloat(line.size) >= 20, line.size);
    assert.ok(Math.abs(ghost.top - line.top) < 10, `${ghost.top} beside ${line.top}`);
    await code.picture("enlarged");
    await code.command("Reset Editor Font Size");
  });

  for (const [theme, kind] of Object.entries(THEMES)) {
    it(`has pages that axe finds nothing wrong with: ${theme}`, async () => {
      code.writeMachineSettings({ "workbench.colorTheme": theme });
      await code.page.locator(`.monaco-workbench.${kind}`).waitFor();
      for (const [title, part] of [
        ["What it knows", "What it learned from"],
        ["Statistics", "Why nothing was suggested"],
      ]) {
        await code.command(`Lineahead: ${title}`);
        const frame = await code.webview(part);
        await frame.locator(`body[data-vscode-theme-id="${theme}"]`).waitFor();
        await code.picture(`${title} ${theme}`.toLowerCase().replaceAll(" ", "-"));
        // In a copy: the page itself runs no scripts, and axe waits for its own there for ever.
        const copy = await code.page.context().newPage();
        await copy.setContent(await frame.content());
        await copy.evaluate(AXE);
        const { violations, passes } = await copy.evaluate(() => window.axe.run());
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(", ")}`);
        assert.deepEqual(found, [], title);
        assert.ok(passes.some(({ id }) => id === "color-contrast"));
        await copy.setViewportSize({ width: 320, height: 600 }); // a window of 1280 at 400 %
        const width = await copy.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= 320, `${title}: ${width} px wide`);
        await copy.close();
        await code.page.bringToFront();
        await code.command("View: Close Editor");
      }
    });
  }
});
