// What the packed extension holds: the extension, the server's wheel, and nothing else but, in the larger one, wheels.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { it } from "node:test";
import { OFFLINE, VSIX } from "./workbench.mjs";

const filesOf = (vsix) =>
  execFileSync("python3", ["-m", "zipfile", "-l", vsix], { encoding: "utf8" })
    .split("\n")
    .slice(1, -1)
    .map((line) => line.split(/\s+/)[0])
    .map((name) => name.replace(/lineahead-[\d.]+-py3-none-any/, "lineahead-VERSION-py3-none-any"));

it("holds the wheel and no junk", () => {
  assert.deepEqual(
    filesOf(VSIX).sort(),
    [
      "[Content_Types].xml",
      "extension.vsixmanifest",
      "extension/LICENSE.txt",
      "extension/changelog.md",
      "extension/dist/extension.js",
      "extension/images/icon.png",
      "extension/images/popup.png",
      "extension/images/surprise.png",
      "extension/images/typing.gif",
      "extension/images/walkthrough-see.png",
      "extension/images/walkthrough-set-up.png",
      "extension/images/walkthrough-why.png",
      "extension/images/walkthrough-word.png",
      "extension/package.json",
      "extension/readme.md",
      "extension/wheel/requirements.txt",
      "extension/wheel/lineahead-VERSION-py3-none-any.whl",
    ].sort(),
  );
  assert.ok(statSync(VSIX).size < 40e6, `${statSync(VSIX).size} bytes`);
});

it("holds wheels for each Python in the larger one, too", () => {
  const small = new Set(filesOf(VSIX));
  const more = filesOf(OFFLINE).filter((name) => !small.has(name));
  for (const name of more) assert.match(name, /^extension\/wheel\/libraries\/[\w.-]+\.whl$/);
  for (const python of ["cp311", "cp312", "cp313", "cp314"]) {
    for (const library of ["numpy", "onnxruntime", "tree_sitter"]) {
      assert.ok(
        more.some((name) => name.includes(`/${library}-`) && name.includes(`-${python}-`)),
        `${library} for ${python}`,
      );
    }
  }
});
