// The pages' text, and the numbers behind it.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { load } from "./bundled.mjs";

const day = (shown, accepted = 0, kept = 0, keptLong = 0, characters = 0) => ({
  shown,
  accepted,
  kept,
  keptLong,
  characters,
});
const NUMBERS = {
  on: true,
  days: {},
  silences: { "mid-word": [3, "the cursor <stands> inside a word"] },
  milliseconds: [11.6, 43],
};

describe("the pages", () => {
  let pages;
  before(async () => {
    pages = await load("pages");
  });

  it("name what the memory holds, and what it does not", () => {
    const html = pages.knowledgePage(
      {
        memory: "project",
        texts: [{ name: "/p/a<b>.py", characters: 9, tokens: 1234 }],
        leftOut: [{ path: "/p/half.py", why: "it is no whole Python" }],
      },
      (name) => name.replace("/p/", ""),
      (name) => `file://${name}`,
    );
    assert.match(html, /1 files?, 1,234 tokens/);
    assert.match(html, /<td>a&lt;b&gt;\.py<\/td><td class="number">1,234<\/td>/);
    assert.match(html, /half\.py<\/td><td>it is no whole Python/);
    const [, query] = html.match(/command:lineahead\.forgetFile\?([^"]+)"/);
    assert.deepEqual(JSON.parse(decodeURIComponent(query)), ["file:///p/a<b>.py"]);
    assert.doesNotMatch(html, /<script|https?:/);
    assert.match(html, /default-src 'none'/);
  });

  it("say so when nothing is known or counted", () => {
    const same = (name) => name;
    assert.match(pages.knowledgePage({ memory: "off", texts: [], leftOut: [] }, same, same), /Nothing is learned/);
    assert.match(pages.numbersPage({ ...NUMBERS, on: false }, {}, false), /Nothing is counted/);
    assert.match(pages.numbersPage(NUMBERS, {}, false), /Nothing was suggested yet/);
  });

  it("draw each day", () => {
    const days = { "2026-11-25": day(10, 5, 4, 3, 120), "2026-11-24": day(20, 20, 20, 20, 60) };
    const html = pages.numbersPage(NUMBERS, days, true);
    assert.match(html, /2026-11-24.*2026-11-25/s); // in order
    assert.match(html, /5 of 10/);
    assert.match(html, /4 of 5/);
    assert.match(html, /3 of 5/);
    assert.match(html, /width:20\.00em/); // the longest bar
    assert.match(html, /12 ms in the median, 43 ms/);
    assert.match(html, /&lt;stands&gt;/);
    assert.match(html, /kept when the editor is closed/);
  });
});

describe("the numbers of all days", () => {
  let Ledger;
  before(async () => {
    ({ Ledger } = await load("ledger"));
  });

  /** A ledger whose server says what is in `live`. */
  function opened(kept, keeps, live) {
    const store = { days: kept, get: (key) => store[key], update: async (key, value) => (store[key] = value) };
    const ledger = new Ledger(
      store,
      async () => ({ ...NUMBERS, days: live.days }),
      () => keeps,
    );
    return { store, ledger };
  }

  it("go on where the last server ended", async () => {
    const live = { days: { "2026-11-25": day(1, 1, 0, 0, 8) } };
    const { store, ledger } = opened({ "2026-11-25": day(2), "2026-11-24": day(5) }, true, live);
    await ledger.look();
    await ledger.look(); // twice is not twice as much
    assert.deepEqual(store.days, { "2026-11-25": day(3, 1, 0, 0, 8), "2026-11-24": day(5) });
    ledger.ended();
    live.days = { "2026-11-25": day(4) };
    await ledger.look();
    assert.deepEqual(ledger.days["2026-11-25"], day(7, 1, 0, 0, 8));
  });

  it("are not kept unless the person says so", async () => {
    const { store, ledger } = opened({ "2026-11-24": day(5) }, false, { days: { "2026-11-25": day(1) } });
    await ledger.look();
    assert.deepEqual(ledger.days, { "2026-11-25": day(1) });
    assert.equal(store.days, undefined);
  });

  it("are erased", async () => {
    const { store, ledger } = opened({ "2026-11-24": day(5) }, true, { days: {} });
    await ledger.erase();
    assert.deepEqual([ledger.days, store.days], [{}, undefined]);
  });
});
