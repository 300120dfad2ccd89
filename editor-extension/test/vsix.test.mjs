// What the packed extension holds: the extension, the server's wheel, and nothing else.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { it } from "node:test";
import { VSIX } from "./workbench.mjs";

it("holds the wheel and no junk", () => {
  const files = execFileSync("python3", ["-m", "zipfile", "-l", VSIX], { encoding: "utf8" })
    .split("\n")
    .slice(1, -1)
    .map((line) => line.split(/\s+/)[0])
    .map((name) => name.replace(/lineahead-[\d.]+-py3-none-any/, "lineahead-VERSION-py3-none-any"));
  assert.deepEqual(
    files.sort(),
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
