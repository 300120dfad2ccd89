// How often ghost text flashes by: ghosts that live under 200 ms and are not typed into, per 100 keys.
//
//     node test/flicker.mjs 0 100 200        # one run for each value of lineahead.showAfter

import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { OUT, sleep, startWorkbench } from "./workbench.mjs";

const SHORT = 200; // milliseconds
const KEYS = Number(process.env.KEYS ?? 500);

/** Pauses between keys as people make them, in milliseconds: log-normal, 170 in the median, and now and then a thought. */
function* pauses(seed) {
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return (seed + 1) / (2 ** 31 + 1);
  };
  for (;;) {
    const normal = Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    yield random() < 0.04 ? 1200 : 170 * Math.exp(0.4 * normal);
  }
}

/** In the page: on each frame, the line with ghost text, and how much of it is a ghost. */
function watch() {
  const seen = [];
  window.lineaheadSeen = seen;
  const look = () => {
    const pieces = [...document.querySelectorAll(".ghost-text-decoration, .ghost-text")];
    const line = pieces[0]?.closest(".view-line")?.textContent ?? "";
    const ghost = pieces.reduce((sum, piece) => sum + piece.textContent.length, 0);
    const last = seen.at(-1);
    if (last?.line !== line || last?.ghost !== ghost) seen.push({ at: performance.now(), line, ghost });
    requestAnimationFrame(look);
  };
  look();
}

/** Each ghost, for as long as the whole line that it makes stays the same. */
function lives(seen) {
  const found = [];
  for (let index = 0; index < seen.length; ) {
    const start = seen[index];
    let next = index + 1;
    while (next < seen.length && seen[next].line === start.line) next++;
    if (start.line && next < seen.length) {
      found.push({ milliseconds: seen[next].at - start.at, typedInto: seen[next - 1].ghost < start.ghost });
    }
    index = next;
  }
  return found;
}

async function measure(code, showAfter) {
  code.writeMachineSettings({
    "lineahead.showAfter": showAfter,
    "editor.autoIndent": "none",
    "editor.autoClosingBrackets": "never",
    "editor.autoClosingQuotes": "never",
    "editor.quickSuggestions": "off",
    "editor.suggestOnTriggerCharacters": false,
  });
  await code.open(`flicker${showAfter}.py`, "‸\n");
  await code.waitForStatus("ready");
  await sleep(1000);
  await code.page.evaluate(() => {
    window.lineaheadSeen.length = 0;
  });
  const text = readFileSync(join(import.meta.dirname, "typed.py"), "utf8").slice(0, KEYS);
  const pause = pauses(1);
  let due = Date.now();
  for (const letter of text) {
    await (letter === "\n" ? code.press("Enter") : code.type(letter, 0));
    due = Math.max(Date.now(), due + pause.next().value);
    await sleep(Math.max(0, due - Date.now()));
  }
  const all = lives(await code.page.evaluate(() => window.lineaheadSeen));
  const short = all.filter((life) => life.milliseconds < SHORT && !life.typedInto);
  const into = all.filter((life) => life.typedInto).length;
  const rate = (100 * short.length) / text.length;
  return `showAfter ${showAfter}: ${text.length} keys, ${all.length} ghosts, ${into} typed into, ${short.length} flickered, ${rate.toFixed(1)} per 100 keys`;
}

const code = await startWorkbench("flicker");
try {
  await code.open("first.py", "‸\n");
  await code.waitForStatus("ready");
  await code.page.evaluate(watch);
  for (const showAfter of process.argv.slice(2).map(Number)) {
    const found = await measure(code, showAfter);
    console.log(found);
    appendFileSync(join(OUT, "flicker.txt"), `${found}\n`);
  }
} finally {
  await code.stop();
}
