// What pip, venv and the system said while setting up, in words that say what to do.

/** Each kind of trouble: how it is recognised, and what a person is told; the first that fits is it. */
const TROUBLES: [RegExp, string][] = [
  [/No space left|ENOSPC|Errno 28|not enough space/i, "The disk is full: the server needs about 250 MB."],
  [
    /ensurepip is not available|No module named '?(venv|ensurepip)/,
    "Python lacks its module venv. On Debian and Ubuntu: sudo apt-get install python3-venv.",
  ],
  [
    /ProxyError|Tunnel connection failed|407 Proxy|Cannot connect to proxy/i,
    "The proxy lets nothing through. Name the right one in the setting http.proxy or in HTTPS_PROXY.",
  ],
  [
    /CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerification/,
    "The package index's certificate is not trusted here. If a proxy replaces certificates, name its own in PIP_CERT.",
  ],
  [
    /NewConnectionError|NameResolutionError|name resolution|Connect(ion)?Timeout|ConnectionRefused|Connection refused|ConnectionResetError|Network is unreachable|ReadTimeout/i,
    "The package index cannot be reached. Setting up needs the network once, to download about 55 MB.",
  ],
  [/EBUSY|EPERM/, "Another window's server runs from the environment: close the other windows."],
  [
    /DO NOT MATCH THE HASHES/,
    "A downloaded package does not have the hash that it should have, and was not installed.",
  ],
  [
    /No matching distribution/,
    "A library that the server needs has no build for this machine and this Python; see the log.",
  ],
  [/Permission denied|EACCES|EROFS|Read-only file system/i, "The extension's folder cannot be written; see the log."],
];

/** Why the server was not installed. */
export function explain(output: string): string {
  const trouble = TROUBLES.find(([pattern]) => pattern.test(output));
  const last = output.trim().split("\n").at(-1);
  return trouble ? trouble[1] : last ? `${last} (see the log)` : "Setting up ended without a message; see the log.";
}

/** Why no Python was found that would do. */
export function explainPython(oldest: string, tooOld: string[]): string {
  const found = tooOld.length ? `found only older ones (${tooOld.join(", ")})` : "found none on the PATH";
  return `Lineahead needs Python ${oldest} or newer, and ${found}. Install one, or name one in the setting lineahead.interpreter.`;
}
