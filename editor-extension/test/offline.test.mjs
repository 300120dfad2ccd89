// The larger .vsix on a machine without network: set up from the wheels inside, while a package index and a proxy that
// would be asked listen in vain.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { OFFLINE, OUT, startWorkbench } from "./workbench.mjs";

const PIP = join(OUT, "pip-offline.conf");

describe("a machine without network", { timeout: 300_000 }, () => {
  const asked = [];
  const network = http.createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(503).end();
  });
  let code;

  before(async () => {
    await new Promise((resolve) => network.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${network.address().port}`;
    network.on("connect", (request, socket) => {
      asked.push(request.url);
      socket.end("HTTP/1.1 503 Service Unavailable\r\n\r\n");
    });
    mkdirSync(OUT, { recursive: true });
    writeFileSync(PIP, `[global]\nindex-url = ${url}/simple/\nextra-index-url =\nfind-links =\nno-index = false\n`);
    code = await startWorkbench("offline", {
      vsix: OFFLINE,
      installed: false,
      environment: { PIP_CONFIG_FILE: PIP, PIP_FIND_LINKS: "", PIP_INDEX_URL: `${url}/simple/` },
      settings: { "http.proxy": url },
    });
  });
  afterEach(async (context) => {
    if (context.error) await code?.picture(`failed-${context.name.replaceAll(/\W+/g, "-")}`);
  });
  after(async () => {
    await code?.stop();
    network.close();
  });

  it("is set up from what came with the extension", async (context) => {
    await code.open("first.py", "‸\n");
    await code.waitForNotification("without a network");
    const start = performance.now();
    await code.choose("Set up");
    await code.waitForNotification("Lineahead is set up.", 240_000);
    await code.choose("Try it");
    assert.match(await code.waitForGhost(60_000), /^append\(item\)/);
    const found = `set up without a network: ${((performance.now() - start) / 1000).toFixed(1)} s from the click to the first ghost text`;
    context.diagnostic(found);
    writeFileSync(join(OUT, "offline.txt"), `${found}\n`);
  });

  it("has asked nobody", () => assert.deepEqual(asked, []));
});
