// "Set up" beside a hostile folder: nothing that lies there is executed or read.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { load } from "./bundled.mjs";

const MODULES = "venv logging sitecustomize usercustomize encodings subprocess pip ensurepip ssl lineahead os".split(
  " ",
);

describe("a hostile folder", { timeout: 240_000 }, () => {
  let isolated;
  let root;
  const earlier = process.cwd();
  const place = (name) => join(root, name);

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "lineahead-isolated-"));
    mkdirSync(place("open"));
    mkdirSync(place("storage"));
    isolated = await load("isolated");
    const trap = `open(${JSON.stringify(place("executed"))}, "a").write(__file__ + "\\n")\n`;
    for (const name of MODULES) writeFileSync(place(`open/${name}.py`), trap);
    writeFileSync(
      place("open/pyproject.toml"),
      '[build-system]\nrequires = []\nbuild-backend = "venv"\nbackend-path = ["."]\n',
    );
    for (const name of ["pip.conf", "pip.ini", "setup.cfg"]) {
      writeFileSync(
        place(`open/${name}`),
        "[global]\nindex-url = http://127.0.0.1:9/hostile\n[install]\nno-binary = :all:\n",
      );
    }
    for (const name of ["python3", "python", "py"]) {
      writeFileSync(place(`open/${name}`), `#!/bin/sh\necho program >> ${place("executed")}\n`, { mode: 0o755 });
    }
    writeFileSync(place("open/pyvenv.cfg"), "home = .\ninclude-system-site-packages = true\n");
    process.chdir(place("open"));
    Object.assign(process.env, {
      PYTHONPATH: ".",
      PYTHONSTARTUP: "venv.py",
      PYTHONHOME: "",
      VIRTUAL_ENV: ".",
      PIP_NO_BINARY: ":all:",
      PIP_TARGET: place("open/target"),
    });
  });

  after(() => {
    process.chdir(earlier);
    rmSync(root, { recursive: true, force: true });
  });

  const executed = () => (existsSync(place("executed")) ? readFileSync(place("executed"), "utf8") : "");

  it("would be executed without care", () => {
    const env = { ...process.env, PYTHONPATH: "" };
    delete env.PYTHONHOME;
    execFileSync("python3", ["-m", "venv", "--help"], { env });
    assert.match(executed(), /venv\.py/);
    rmSync(place("executed"));
  });

  it("is not executed when the environment is made", async () => {
    const bin = process.platform === "win32" ? "Scripts" : "bin";
    const environment = { folder: place("storage/environment"), python: place(`storage/environment/${bin}/python`) };
    const [make, requirements, own] = isolated.setUpSteps("python3", environment, "requirements.txt", "own.whl");
    const made = await isolated.run(...make, place("storage"));
    assert.equal(made.code, 0, made.output);
    for (const args of [
      [...isolated.ISOLATED, "-c", "import sys, os; print(sys.path, os.getcwd())"],
      [...isolated.ISOLATED, "-m", "pip", "config", "list"],
    ]) {
      const { code, output } = await isolated.run(environment.python, args, place("storage"));
      assert.equal(code, 0, output);
      assert.doesNotMatch(output, /hostile|no-binary|target/i);
      assert.ok(!output.includes(place("open")), output);
    }
    assert.equal(executed(), "");
    for (const [, args] of [make, requirements, own]) assert.deepEqual(args.slice(0, 3), isolated.ISOLATED);
    assert.ok(requirements[1].includes("--require-hashes") && requirements[1].includes("--only-binary=:all:"));
    assert.ok(own[1].includes("--no-index") && own[1].includes("--no-deps"));
  });

  it("installs nothing that has another hash or is no wheel", async () => {
    const environment = { folder: place("storage/environment"), python: place("storage/environment/bin/python") };
    mkdirSync(place("storage/links"), { recursive: true });
    const name = place("storage/links/pathspec-1.1.1-py3-none-any.whl");
    writeFileSync(name, "not what was promised");
    writeFileSync(place("storage/r.txt"), `pathspec==1.1.1 --hash=sha256:${"0".repeat(64)}\n`);
    process.env.PIP_FIND_LINKS = place("storage/links");
    process.env.PIP_NO_INDEX = "1";
    const [, step] = isolated.setUpSteps("python3", environment, place("storage/r.txt"), "own.whl");
    const { code, output } = await isolated.run(...step, place("storage"));
    assert.notEqual(code, 0);
    assert.match(output, /HASHES|No matching distribution|hash/);
    assert.equal(executed(), "");
  });
});

describe("the search for Python", () => {
  const folder = mkdtempSync(join(tmpdir(), "lineahead-pythons-"));
  const earlier = process.env.PATH;
  let find;

  before(async () => {
    const { findPython, run } = await load("isolated");
    find = () => findPython((command, args) => run(command, args, folder));
    process.env.PATH = folder;
  });
  after(() => {
    process.env.PATH = earlier;
    rmSync(folder, { recursive: true });
  });

  const python = (name, says) => writeFileSync(join(folder, name), `#!/bin/sh\n${says}\n`, { mode: 0o755 });

  it("finds none", async () => assert.deepEqual(await find(), { tooOld: [] }));

  it("tells which ones are too old, or broken", async () => {
    python("python3", "echo 3 9 /old/python3");
    python("python", "echo 2 7 /old/python");
    python("py", "exit 1");
    assert.deepEqual(await find(), { tooOld: ["/old/python3 is 3.9", "/old/python is 2.7"] });
  });

  it("goes on to a newer one", async () => {
    python("python3.13", "echo 3 13 /new/python3.13");
    assert.equal((await find()).path, "/new/python3.13");
  });
});

it("every requirement has a hash", () => {
  const text = readFileSync(join(import.meta.dirname, "..", "requirements.txt"), "utf8").replaceAll("\\\n", " ");
  const lines = text.split("\n").filter((line) => line.trim() && !line.startsWith("#"));
  assert.ok(lines.length > 10);
  for (const line of lines) assert.match(line, /^[\w.-]+==[\w.]+ .*--hash=sha256:[0-9a-f]{64}/);
});
