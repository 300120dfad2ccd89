// A real VS Code in a real browser: code-server with the installed .vsix, and headless Chromium in front of it.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

export { sleep };

const HERE = join(import.meta.dirname, "..");
export const EDITORS = join(HERE, ".editors");
export const OUT = join(HERE, "out");
export const PYTHON = join(EDITORS, "home/.local/share/lineahead/bin/python");
export const VSIX = join(HERE, "lineahead.vsix");
export const OFFLINE = join(HERE, `lineahead-offline-${process.platform}-${process.arch}.vsix`);
const NODE = process.execPath; // Node 24, which code-server needs
const CODE_SERVER = join(EDITORS, "workbench/node_modules/code-server/out/node/entry.js");
const GHOST = ".ghost-text-decoration";

// Quiet, and otherwise as it comes: what a person sees first is what is tested.
const SETTINGS = {
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "workbench.enableExperiments": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "extensions.autoUpdate": false,
  "extensions.autoCheckUpdates": false,
  "extensions.ignoreRecommendations": true,
  "chat.disableAIFeatures": true,
  "chat.commandCenter.enabled": false,
  "security.workspace.trust.enabled": false,
  "git.enabled": false,
  "files.autoSave": "off",
  "editor.minimap.enabled": false,
};

/** Ask until the answer is true; an error that says what was waited for, and what was found last. */
export async function until(what, ask, milliseconds = 60_000) {
  const end = Date.now() + milliseconds;
  let found;
  do {
    found = await ask();
    if (found) return found;
    await sleep(40);
  } while (Date.now() < end);
  throw new Error(`waited ${milliseconds} ms for ${what}; found ${JSON.stringify(found)}`);
}

/** End a program, and wait until it is gone: killed where it takes long. */
export async function end(child, signal = "SIGTERM") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  const late = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(late);
}

/** A headless Chromium that reaches this machine only. */
export async function startBrowser(profile) {
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1100, height: 620 },
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ],
  });
  browser.setDefaultNavigationTimeout(120_000); // a busy machine takes long
  return browser;
}

/**
 * A workbench in a clean profile with an extension, with several, or with none; `installed` says whether its settings
 * name a Python that has the server, `workspace` which folder is opened instead of an empty one, `tracer` what runs that
 * Python. A start that fails is tried once more; nothing else is.
 */
export async function startWorkbench(name, options = {}) {
  const leave = [];
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(name, options, leave);
    } catch (error) {
      for (const each of leave.splice(0)) await each();
      if (attempt === 2) throw error;
      console.log(`the workbench did not start, and is tried once more: ${error}`);
    }
  }
}

/** `leave` takes what ends the programs that were started. */
async function start(
  name,
  { vsix = VSIX, installed = true, environment = {}, workspace, settings = {}, tracer = "" },
  leave,
) {
  const folder = join(OUT, name);
  rmSync(folder, { recursive: true, force: true });
  const paths = {
    workspace: workspace ?? join(folder, "project"),
    profile: join(folder, "profile"),
    extensions: join(folder, "extensions"),
  };
  for (const path of [paths.workspace, paths.extensions, `${paths.profile}/User`, `${paths.profile}/Machine`]) {
    mkdirSync(path, { recursive: true });
  }
  mkdirSync(join(paths.workspace, ".git"), { recursive: true }); // a project of its own: this repository's git ignores `out`
  const serverLog = join(folder, "server.log");
  const interpreter = join(folder, "python"); // the Python that has the server, with a copy of what it says
  writeFileSync(interpreter, `#!/bin/bash\nexec ${tracer} "${PYTHON}" "$@" 2> >(exec tee -a "${serverLog}" >&2)\n`, {
    mode: 0o755,
  });
  const named = installed ? { "lineahead.interpreter": interpreter } : {};
  const writeSettings = (settings) =>
    writeFileSync(`${paths.profile}/User/settings.json`, JSON.stringify({ ...SETTINGS, ...settings }));
  const writeMachineSettings = (settings) =>
    writeFileSync(`${paths.profile}/Machine/settings.json`, JSON.stringify({ ...named, ...settings }));
  writeSettings(settings);
  writeMachineSettings({});
  const env = {
    ...process.env,
    XDG_CONFIG_HOME: `${folder}/config`,
    XDG_DATA_HOME: `${folder}/data`,
    EXTENSIONS_GALLERY: '{"serviceUrl": ""}',
    ...environment,
  };
  const profile = [
    "--extensions-dir",
    paths.extensions,
    "--user-data-dir",
    paths.profile,
    "--config",
    `${folder}/config.yaml`,
  ];
  if (vsix) {
    const installs = [vsix].flat().flatMap((file) => ["--install-extension", file]);
    execFileSync(NODE, [CODE_SERVER, ...profile, ...installs], {
      env: { ...env, PATH: process.env.PATH },
      stdio: "pipe",
    });
  }

  const log = `${folder}/code-server.log`;
  const child = spawn(
    NODE,
    [
      CODE_SERVER,
      ...profile,
      "--auth=none",
      "--bind-addr=127.0.0.1:0", // a free port: it says which
      "--disable-telemetry",
      "--disable-update-check",
      "--disable-getting-started-override",
      paths.workspace,
    ],
    { stdio: ["ignore", openSync(log, "w"), openSync(log, "a")], env },
  );
  leave.push(() => end(child));
  const url = await until("code-server", () => {
    if (child.exitCode !== null) throw new Error(`code-server ended:\n${readFileSync(log, "utf8")}`);
    return readFileSync(log, "utf8").match(/HTTP server listening on (http:\S+?)\/?$/m)?.[1];
  });
  const browser = await startBrowser(`${folder}/browser`);
  leave.unshift(() => browser.close());
  const page = browser.pages()[0] ?? (await browser.newPage());
  const open = async (page) => {
    const window = drive(page, `${url}/?folder=${paths.workspace}`, paths.workspace, serverLog);
    await window.reload();
    return window;
  };
  return {
    ...(await open(page)),
    paths,
    interpreter,
    writeSettings,
    writeMachineSettings,
    /** Another window on the same folder; `page.close()` ends it. */
    another: async () => open(await browser.newPage()),
    async stop() {
      for (const each of leave.splice(0)) await each();
    },
  };
}

/** What a person can do and see in a window; `folder` is the project that is open at `url`. */
function drive(page, url, folder, serverLog) {
  const load = async () => {
    await page.goto(url);
    await page.locator(".explorer-folders-view, .explorer-viewlet").first().waitFor({ timeout: 60_000 });
  };

  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const type = (text, delay = 30) => page.keyboard.type(text, { delay });
  const read = (file) => readFileSync(join(folder, file), "utf8");
  const status = () =>
    page
      .locator('.statusbar-item [aria-label^="Lineahead: "]')
      .first()
      .getAttribute("aria-label", { timeout: 500 })
      .catch(() => "");

  /** Find a file in Quick Open, which knows it only after a while; returns its row. */
  const pick = async (file) => {
    const row = page.locator(".quick-input-list .monaco-list-row", { hasText: file }).first();
    for (let attempt = 0; ; attempt++) {
      // Quick Open answers nothing until the extension host is up.
      await press("Escape", "Escape", "Control+p");
      await page.locator(".quick-input-widget input").waitFor();
      await type(file, 5);
      try {
        await row.waitFor({ timeout: 3000 });
        break;
      } catch (error) {
        if (attempt === 12) throw error;
      }
    }
    return row;
  };

  const workbench = {
    page,
    press,
    pick,
    type,
    read,
    status,
    path: (file) => join(folder, file),
    picture: (what) => page.screenshot({ path: join(OUT, `${what}.png`) }),
    /** The server's own log: what its interpreter writes to standard error. */
    log: () => (existsSync(serverLog) ? readFileSync(serverLog, "utf8") : ""),
    count: (pattern) => workbench.log().match(pattern)?.length ?? 0,
    waitForStatus: (start, milliseconds = 60_000) =>
      until(`the status ${start}`, async () => (await status())?.startsWith(`Lineahead: ${start}`), milliseconds),
    /** The ghost text of the line; "" for none. It is drawn in pieces, one for each colour. */
    ghost: () =>
      page.evaluate((selector) => {
        const lines = new Map();
        for (const piece of document.querySelectorAll(selector)) {
          if (piece.parentElement.closest(selector)) continue;
          const line = piece.closest(".view-line, .suggest-preview-text") ?? piece;
          lines.set(line, (lines.get(line) ?? "") + piece.textContent);
        }
        return [...lines.values()].join("\n").replaceAll("\u00a0", " ");
      }, GHOST),
    waitForGhost: (milliseconds = 60_000) => until("ghost text", () => workbench.ghost(), milliseconds),
    async save(file, want) {
      await press("Control+s");
      await until(`${file} to be saved as ${JSON.stringify(want)}`, () => read(file) === want || null, 30_000).catch(
        (error) => {
          throw new Error(`${error.message}; the file is ${JSON.stringify(read(file))}`);
        },
      );
    },
    /** Open a file of the project with the cursor where `text` has a ‸. */
    async open(file, text, { tab = true } = {}) {
      const at = text.indexOf("‸");
      const before = text.slice(0, at).split("\n");
      writeFileSync(join(folder, file), text.replace("‸", ""));
      const [line, column] = [before.length, before.at(-1).length + 1];
      await pick(file);
      await type(`:${line}:${column}`, 5);
      // Enter takes the row that has the focus, which may be another file's for a moment.
      await page.locator(".quick-input-list .monaco-list-row.focused", { hasText: file }).waitFor();
      await press("Enter");
      if (tab) await page.locator(".tab.active", { hasText: file }).waitFor();
      await page.locator(".quick-input-widget").waitFor({ state: "hidden" });
      await page.locator(".editor-instance .monaco-editor.focused").waitFor();
      await page.locator(".statusbar-item", { hasText: `Ln ${line}, Col ${column}` }).waitFor();
    },
    /** A command by its name, from the palette. */
    async command(title) {
      await press("Escape", "F1");
      await page.locator(".quick-input-widget input").waitFor();
      await type(title, 5);
      await page.locator(".quick-input-list .monaco-list-row", { hasText: title }).first().click();
    },
    /** Wait until the keyboard is the editor's. */
    focused: () => page.locator(".editor-instance .monaco-editor.focused").waitFor(),
    /** The menu behind the status; `menu` takes one of its entries. */
    async openMenu() {
      await page.locator('.statusbar-item [aria-label^="Lineahead: "]').first().click();
      await page.locator(".quick-input-list .monaco-list-row", { hasText: "Statistics" }).first().waitFor();
    },
    async menu(label) {
      await page.locator('.statusbar-item [aria-label^="Lineahead: "]').first().click();
      await page.locator(".quick-input-list .monaco-list-row", { hasText: label }).first().click();
    },
    notification: async () => (await page.locator(".notification-list-item-message").allTextContents()).join("\n"),
    async waitForNotification(part, milliseconds = 60_000) {
      return until(
        `a message with ${part}`,
        async () => ((await workbench.notification()).includes(part) ? workbench.notification() : ""),
        milliseconds,
      );
    },
    /** The frame of a page of ours in which some text is to be seen. */
    webview: (part) =>
      until(`a page with ${part}`, async () => {
        for (const frame of page.frames()) {
          if (
            await frame
              .locator("body", { hasText: part })
              .count()
              .catch(() => 0)
          ) {
            if (frame !== page.mainFrame()) return frame;
          }
        }
        return undefined;
      }),
    /** Press a button of a message. */
    choose: (label) => page.locator(".notifications-toasts .monaco-button", { hasText: label }).first().click(),
    /** The same window anew. */
    reload: load,
  };
  return workbench;
}
