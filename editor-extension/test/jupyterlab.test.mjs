// JupyterLab with jupyterlab-lsp, EDITORS.md's configuration, the installed wheel and the bundled model.

import { spawn } from "node:child_process";
import { mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { EDITORS, end, OUT, startBrowser, until } from "./workbench.mjs";

const FOLDER = join(OUT, "jupyterlab");
const PROJECT = join(FOLDER, "project");
const JUPYTER = join(EDITORS, "jupyter/bin/jupyter");
const IMPORT = "try:\n    import json\n";

/** The block of EDITORS.md that a person pastes: the first one after the editor's name. */
function configuration() {
  const text = readFileSync(join(import.meta.dirname, "..", "EDITORS.md"), "utf8");
  return text.match(/^## JupyterLab$.*?^```json\n(.*?)^```$/ms)[1];
}

/** A server that has found a port of its own. */
async function startJupyter() {
  const child = spawn(JUPYTER, ["lab", "--allow-root", "--no-browser", "--ip=127.0.0.1", "--port=0"], {
    cwd: PROJECT,
    stdio: ["ignore", "ignore", openSync(join(FOLDER, "jupyter.log"), "w")],
    env: {
      ...process.env,
      PATH: `${EDITORS}/home/.local/bin:${process.env.PATH}`,
      HOME: FOLDER,
      JUPYTER_CONFIG_DIR: join(FOLDER, "config"),
      JUPYTER_DATA_DIR: join(FOLDER, "data"),
      JUPYTER_RUNTIME_DIR: join(FOLDER, "run"),
      IPYTHONDIR: join(FOLDER, "ipython"),
    },
  });
  try {
    const told = () => readdirSync(join(FOLDER, "run")).find((name) => /^jpserver-\d+\.json$/.test(name));
    const name = await until("JupyterLab", told);
    const { port, token } = await until("its address", () => {
      const text = readFileSync(join(FOLDER, "run", name), "utf8");
      return text.endsWith("}") && JSON.parse(text); // written to the end
    });
    return { child, url: (file) => `http://127.0.0.1:${port}/lab/tree/${file}?token=${token}` };
  } catch (error) {
    await end(child);
    throw error;
  }
}

describe("JupyterLab", { timeout: 400_000 }, () => {
  let jupyter;
  let browser;
  let page;
  const list = () => page.locator(".jp-Completer:visible .jp-Completer-item", { hasText: "ImportError:" }).first();

  before(async () => {
    rmSync(FOLDER, { recursive: true, force: true });
    for (const name of ["config", "run", "project"]) mkdirSync(join(FOLDER, name), { recursive: true });
    writeFileSync(join(FOLDER, "config/jupyter_server_config.json"), configuration());
    jupyter = await startJupyter();
    browser = await startBrowser(join(FOLDER, "browser"));
    page = browser.pages()[0] ?? (await browser.newPage());
  });
  afterEach(async (context) => {
    if (context.error) await page?.screenshot({ path: join(OUT, "failed-jupyterlab.png") }).catch(() => undefined);
  });
  after(async () => {
    await browser?.close();
    if (jupyter) await end(jupyter.child);
  });

  /** Open a file, and type at its end once the server knows it; then ask for the list until it has the suggestion. */
  async function complete(file, editor, text) {
    await page.goto(jupyter.url(file));
    const lines = page.locator(`${editor} .cm-content`).first();
    await lines.waitFor({ timeout: 120_000 });
    await page.locator(".lsp-statusbar-item", { hasText: "Fully initialized" }).waitFor({ timeout: 120_000 });
    await lines.click();
    await page.keyboard.press("Control+End");
    await page.keyboard.type(text, { delay: 40 });
    await until("a list with the suggestion", async () => {
      await page.keyboard.press("Tab");
      return list()
        .waitFor({ timeout: 5000 })
        .then(
          () => true,
          () => false,
        );
    });
    await page.screenshot({ path: join(OUT, `jupyterlab-${file}.png`) });
    await list().click();
    await page.keyboard.press("Control+s");
  }

  it("lists the suggestion in a file, which is put in", async () => {
    writeFileSync(join(PROJECT, "first.py"), IMPORT);
    await complete("first.py", ".jp-FileEditor", "except ");
    const saved = () => readFileSync(join(PROJECT, "first.py"), "utf8").trimEnd();
    await until("the file to be saved", () => saved() === `${IMPORT}except ImportError:`);
  });

  it("lists it in a notebook's cell, too", async () => {
    const cell = { cell_type: "code", execution_count: null, id: "a", metadata: {}, outputs: [], source: [IMPORT] };
    const kernel = { kernelspec: { name: "python3", display_name: "Python 3" }, language_info: { name: "python" } };
    const notebook = { cells: [cell], metadata: kernel, nbformat: 4, nbformat_minor: 5 };
    writeFileSync(join(PROJECT, "book.ipynb"), JSON.stringify(notebook));
    await complete("book.ipynb", ".jp-Notebook .jp-Cell", "except ");
    // Its file is there in parts while it is saved.
    const saved = () => readFileSync(join(PROJECT, "book.ipynb"), "utf8").includes('"except ImportError:"');
    await until("the notebook to be saved", saved);
  });
});
