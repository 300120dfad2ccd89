// Which folders hold a model that `python -m training.adapt` left.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, before, beforeEach, describe, it } from "node:test";
import { load } from "./bundled.mjs";

const read = (path) => readFileSync(join(import.meta.dirname, "..", "..", path), "utf8");

describe("a model in a project", () => {
  let adapted;
  let root;
  const model = () => join(root, adapted.LEFT_IN);

  before(async () => {
    adapted = await load("adapted");
  });
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "lineahead-adapted-"));
    mkdirSync(model(), { recursive: true });
    for (const name of ["config.json", "model.onnx", "tokenizer.json"]) writeFileSync(join(model(), name), "{}");
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("is found where training leaves it", () => {
    assert.equal(adapted.problemOf(model()), undefined);
    assert.deepEqual(adapted.modelsOf([join(root, "other"), root]), [model()]);
    assert.match(read("training/adapt.py"), /into or folders\[0\] \/ "\.lineahead" \/ "model"\)/);
    assert.equal(adapted.LEFT_IN, join(".lineahead", "model"));
  });

  it("is none without its graph, or with a folder in its place", () => {
    rmSync(join(model(), "model.onnx"));
    assert.match(adapted.problemOf(model()), /found no model\.onnx there/);
    mkdirSync(join(model(), "model.onnx"));
    assert.match(adapted.problemOf(model()), /found no model\.onnx there/);
    assert.deepEqual(adapted.modelsOf([root]), []);
  });

  it("is none where its configuration is half written", () => {
    writeFileSync(join(model(), "config.json"), '{"model_type": ');
    assert.match(adapted.problemOf(model()), /config\.json cannot be read/);
  });

  it("is none where there is nothing", () => {
    assert.match(adapted.problemOf(join(root, "nowhere")), /no config\.json, no model\.onnx, no tokenizer\.json/);
  });

  it("can be named by a workspace, once that is trusted", () => {
    const { contributes, capabilities } = JSON.parse(read("editor-extension/package.json"));
    assert.equal(contributes.configuration.properties["lineahead.model"].scope, "machine-overridable");
    assert.ok(capabilities.untrustedWorkspaces.restrictedConfigurations.includes("lineahead.model"));
  });
});
