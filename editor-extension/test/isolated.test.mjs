// "Set up" beside a hostile folder: nothing that lies there is executed or read.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
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
    const [make, requirements, own] = isolated.setUpSteps("python3", environment, {
      requirements: "requirements.txt",
      wheel: "own.whl",
    });
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
    const [, step] = isolated.setUpSteps("python3", environment, {
      requirements: place("storage/r.txt"),
      wheel: "own.whl",
    });
    const { code, output } = await isolated.run(...step, place("storage"));
    assert.notEqual(code, 0);
    assert.match(output, /HASHES|No matching distribution|hash/);
    assert.equal(executed(), "");
  });
});

describe("the editor's proxy", () => {
  const machine = { HTTPS_PROXY: "http://machine:1", http_proxy: "http://machine:1", NO_PROXY: "a", PATH: "/bin" };
  let environment;
  before(async () => {
    environment = (await load("isolated")).isolatedEnvironment;
  });

  it("takes the place of the machine's", () => {
    const url = "http://name:password@editor:2";
    assert.deepEqual(environment(machine, { url, except: ["b", "c"] }), {
      PATH: "/bin",
      http_proxy: url,
      https_proxy: url,
      no_proxy: "b,c",
    });
    assert.equal(environment(machine, { url, except: [] }).NO_PROXY, "a");
  });

  it("leaves the machine's alone where there is none", () => assert.deepEqual(environment(machine), machine));
});

describe("the wheels that came with the extension", () => {
  it("are all that is installed from", async () => {
    const { setUpSteps } = await load("isolated");
    const parts = { requirements: "r.txt", wheel: "own.whl" };
    const installing = (more) => setUpSteps("python3", { folder: "e", python: "p" }, { ...parts, ...more })[1][1];
    const args = installing({ libraries: "/wheels" });
    assert.ok(args.includes("--no-index") && args[args.indexOf("--find-links") + 1] === "/wheels");
    assert.ok(args.includes("--require-hashes"));
    assert.ok(!installing({}).includes("--no-index"));
  });
});

describe("the claim on setting up", () => {
  const folder = mkdtempSync(join(tmpdir(), "lineahead-claim-"));
  const path = join(folder, "storage/setting-up");
  let claim;
  let release;
  before(async () => {
    ({ claim, release } = await load("claim"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("is for one at a time", () => {
    assert.ok(claim(path));
    assert.ok(!claim(path));
    release(path);
    assert.ok(claim(path));
  });

  it("ends with its process, or after an hour", () => {
    const { pid } = spawnSync("true");
    writeFileSync(path, String(pid));
    assert.ok(claim(path), "the process has ended");
    const long = Date.now() / 1000 - 4000;
    utimesSync(path, long, long);
    assert.ok(claim(path), "its id has come again");
  });

  it("survives a file that was cut off", () => {
    writeFileSync(path, "");
    assert.ok(claim(path));
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
