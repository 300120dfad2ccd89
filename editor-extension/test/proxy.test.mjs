// A machine that reaches the package index only through the proxy in VS Code's settings: a real proxy, which serves the
// wheels itself.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { OFFLINE, OUT, startWorkbench } from "./workbench.mjs";

const PIP = join(OUT, "pip-proxy.conf");
const PACKED = join(OUT, "packed");
const LIBRARIES = join(PACKED, "extension/wheel/libraries");

/** An index of wheels on a host that there is not: who gets an answer has come through the proxy. */
function answer(url, wheels) {
  const name = decodeURIComponent(new URL(url).pathname.split("/").filter(Boolean).at(-1));
  if (name.endsWith(".whl")) return readFileSync(join(LIBRARIES, name));
  const same = (wheel) => wheel.split("-")[0].toLowerCase().replaceAll("_", "-") === name;
  return wheels
    .filter(same)
    .map((wheel) => `<a href="/wheels/${encodeURIComponent(wheel)}">${wheel}</a>`)
    .join("\n");
}

describe("a machine behind a proxy", { timeout: 300_000 }, () => {
  const seen = [];
  let code;
  let proxy;
  const index = (url) =>
    writeFileSync(
      PIP,
      `[global]\nindex-url = ${url}\nextra-index-url =\nfind-links =\nno-index = false\ntrusted-host = index.invalid\n`,
    );

  before(async () => {
    rmSync(PACKED, { recursive: true, force: true });
    mkdirSync(PACKED, { recursive: true });
    execFileSync("python3", ["-m", "zipfile", "-e", OFFLINE, PACKED]);
    const wheels = readdirSync(LIBRARIES);
    proxy = http.createServer((request, response) => {
      seen.push(`${request.method} ${new URL(request.url).host}`);
      response.writeHead(200, { "content-type": "text/html" }).end(answer(request.url, wheels));
    });
    proxy.on("connect", (request, socket) => {
      seen.push(`CONNECT ${request.url}`);
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    });
    await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    index("https://index.invalid/simple/");
    code = await startWorkbench("proxy", {
      installed: false,
      environment: { PIP_CONFIG_FILE: PIP, PIP_FIND_LINKS: "" },
      settings: { "http.proxy": `http://127.0.0.1:${proxy.address().port}` },
    });
  });
  afterEach(async (context) => {
    if (context.error) await code?.picture(`failed-${context.name.replaceAll(/\W+/g, "-")}`);
  });
  after(async () => {
    await code?.stop();
    proxy?.close();
    rmSync(PACKED, { recursive: true, force: true });
  });

  it("is told when the proxy lets nothing through", async () => {
    await code.open("first.py", "‸\n");
    await code.waitForNotification("It is set up once");
    await code.choose("Set up");
    await code.waitForNotification("The proxy lets nothing through", 120_000);
    assert.ok(seen.includes("CONNECT index.invalid:443"), seen.join("\n"));
  });

  it("is set up through it", async () => {
    index("http://index.invalid/simple/");
    await code.choose("Try again");
    await code.waitForNotification("Lineahead is set up.", 240_000);
    await code.waitForStatus("ready", 120_000);
    assert.ok(seen.filter((line) => line === "GET index.invalid").length > 40, seen.join("\n"));
  });
});
