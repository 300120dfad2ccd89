// Draws the walkthrough's pictures: node test/pictures.mjs, after npm run package.

import { join } from "node:path";
import { startWorkbench, until } from "./workbench.mjs";

const draw = (code, name, clip) =>
  code.page.screenshot({ path: join(import.meta.dirname, "..", "images", `walkthrough-${name}.png`), clip });
const EDITOR = { x: 328, y: 36, width: 560, height: 250 };
const CORNER = { x: 560, y: 440, width: 540, height: 180 };
const SHELF = `class Shelf:
    def __init__(self):
        self.items = []

    def __len__(self):
        return len(self.items)

    def add(self, item):
        ‸
`;

const bare = await startWorkbench("pictures", { installed: false });
try {
  await bare.open("shelf.py", SHELF);
  await bare.waitForNotification("It is set up once");
  await bare.choose("Set up");
  await bare.page.mouse.move(300, 300);
  await bare.waitForNotification("12 of", 120_000);
  await draw(bare, "set-up", CORNER);
} finally {
  await bare.stop();
}

const code = await startWorkbench("pictures");
try {
  await code.open("shelf.py", SHELF);
  await code.waitForStatus("ready");
  await code.type("self.items.");
  await code.waitForGhost();
  await draw(code, "see", EDITOR);
  const whole = await code.ghost();
  await code.press("Control+ArrowRight");
  await until("one word less", async () => {
    const rest = await code.ghost();
    return rest && rest !== whole;
  });
  await draw(code, "word", EDITOR);
  await code.press("Escape");
  await code.openMenu();
  await draw(code, "why", { x: 190, y: 0, width: 720, height: 330 });
} finally {
  await code.stop();
}
