// What a person is told while setting up, and when it fails.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { load } from "./bundled.mjs";

describe("a failed set-up", () => {
  let explain;
  let explainPython;
  before(async () => {
    ({ explain, explainPython } = await load("explain"));
  });

  for (const [output, said] of [
    ["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", /disk is full/],
    ["Error: ENOSPC: no space left on device, write", /disk is full/],
    ["The virtual environment was not created because ensurepip is not available", /python3-venv/],
    ["/usr/bin/python3: No module named venv", /python3-venv/],
    [
      "WARNING: Retrying after ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407'))\nERROR: No matching distribution found for numpy",
      /proxy lets nothing through.*http\.proxy/,
    ],
    [
      "WARNING: Retrying after SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]'))",
      /certificate is not trusted/,
    ],
    [
      "WARNING: Retrying after NewConnectionError: [Errno -3] Temporary failure in name resolution\nERROR: No matching distribution found for numpy",
      /cannot be reached.*network once/,
    ],
    ["ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", /does not have the hash/],
    ["ERROR: No matching distribution found for onnxruntime==1.32.0", /no build for this machine/],
    ["OSError: [Errno 30] Read-only file system: '/storage'", /cannot be written/],
    ["Error: EACCES: permission denied, mkdir '/storage'", /cannot be written/],
    ["one thing\nand another\n", /^and another \(see the log\)$/],
    ["", /without a message/],
  ]) {
    it(`is explained: ${output.slice(0, 60)}`, () => assert.match(explain(output), said));
  }

  it("tells no Python from an old one", () => {
    assert.match(explainPython("3.11", []), /needs Python 3\.11 or newer, and found none on the PATH/);
    assert.match(
      explainPython("3.11", ["/usr/bin/python3 is 3.9"]),
      /found only older ones \(\/usr\/bin\/python3 is 3\.9\)/,
    );
  });
});

describe("the stages", () => {
  let stages;
  before(async () => {
    stages = await load("stages");
  });

  it("go on to a hundred per cent at most, never back", () => {
    const { Stages } = stages;
    const run = new Stages(2);
    const lines = [
      "Collecting numpy==2.4",
      "  Downloading numpy",
      "Collecting pygls==2.1",
      "Collecting cattrs==26.2",
      "Installing collected packages: numpy",
      "Successfully installed",
    ];
    const found = [run.begin("python3.11"), ...lines.map((line) => run.read(line))].filter(Boolean);
    assert.deepEqual(
      found.map(({ message }) => message),
      [
        "1 of 3: an environment with python3.11",
        "2 of 3: downloading, 1 of 2 packages",
        "2 of 3: downloading, 2 of 2 packages",
        "2 of 3: downloading, 2 of 2 packages",
        "3 of 3: installing",
      ],
    );
    const sum = found.reduce((all, { increment }) => all + increment, 0);
    assert.ok(sum > 50 && sum <= 100, `${sum}`);
    assert.ok(found.every(({ increment }) => increment >= 0));
  });

  it("say where packages come from", () => {
    const { Stages } = stages;
    assert.match(new Stages(2, "unpacking").read("Collecting numpy==2.4").message, /^2 of 3: unpacking, 1 of 2/);
  });

  it("count packages, not hashes", () => {
    assert.equal(stages.countPackages("numpy==2.4 \\\n    --hash=sha256:00\npygls==2.1 \\\n    --hash=sha256:11\n"), 2);
    assert.equal(stages.countPackages(""), 1);
  });
});
