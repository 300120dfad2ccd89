// Which lists of completions the editor opens by itself.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { load } from "./bundled.mjs";

describe("a list of completions", () => {
  let Popup;
  const asking = { document: "a.py", version: 7, endsWord: true, quickSuggestions: { other: "on" }, now: 1010 };

  before(async () => {
    ({ Popup } = await load("popup"));
  });

  function changed() {
    const popup = new Popup();
    popup.change("a.py", 7, 1000);
    return popup;
  }

  it("opens by itself soon after a letter", () => {
    assert.equal(changed().opensByItself(asking), true);
    assert.equal(changed().opensByItself({ ...asking, quickSuggestions: true }), true);
    assert.equal(changed().opensByItself({ ...asking, quickSuggestions: { other: "offWhenInlineCompletions" } }), true);
  });

  for (const [what, other] of [
    ["long after the letter", { now: 9000 }],
    ["behind a blank, a bracket or a dot", { endsWord: false }],
    ["of another document", { document: "b.py" }],
    ["of a version that nobody typed", { version: 8 }],
    ["where the setting is off", { quickSuggestions: false }],
    ["where the setting is off by kind", { quickSuggestions: { other: "off", comments: "off", strings: false } }],
  ]) {
    it(`is asked for: ${what}`, () => assert.equal(changed().opensByItself({ ...asking, ...other }), false));
  }

  it("is asked for by our own command, that once", () => {
    const popup = changed();
    popup.ask();
    assert.equal(popup.opensByItself(asking), false);
    popup.change("a.py", 8, 1000);
    assert.equal(popup.opensByItself({ ...asking, version: 8 }), true);
  });

  it("is asked for when it was there already, however soon", () => {
    const popup = changed();
    assert.equal(popup.opensByItself(asking), true);
    assert.equal(popup.opensByItself({ ...asking, now: 1020 }), false);
  });
});
