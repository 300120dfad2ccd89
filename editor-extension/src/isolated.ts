// Programs that "Set up" runs: nothing of the open folder is executed or read, whatever lies there.

import { spawn } from "node:child_process";

/** Python without the working folder, PYTHON… variables and the person's own packages on its path. */
export const ISOLATED = ["-I", "-X", "utf8"];

export const OLDEST = [3, 11] as const;
const CANDIDATES = ["python3", "python", "python3.14", "python3.13", "python3.12", "python3.11", "py"];

/** What pip may know from the environment: how to reach the package index. What to install and where is ours. */
const PIP_MAY_KNOW =
  /^PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|CERT|PROXY|CONFIG_FILE|CACHE_DIR|DEFAULT_TIMEOUT)$/i;

export interface Finished {
  code: number | null;
  output: string;
}

/** The editor's proxy, and the hosts that are reached without it. */
export interface EditorProxy {
  url: string;
  except: string[];
}

/** The variables that a program of ours inherits; the editor's proxy, if it names one, comes before the machine's. */
export function isolatedEnvironment(inherited: NodeJS.ProcessEnv, proxy?: EditorProxy): NodeJS.ProcessEnv {
  const kept = Object.entries(inherited).filter(
    ([name]) =>
      !/^(PYTHON|VIRTUAL_ENV|CONDA_|__PYVENV)/i.test(name) &&
      (!/^PIP_/i.test(name) || PIP_MAY_KNOW.test(name)) &&
      !(proxy && /^(https?|all)_proxy$/i.test(name)) &&
      !(proxy?.except.length && /^no_proxy$/i.test(name)),
  );
  // As variables, not as an option of pip: options can be read by everybody on the machine, passwords and all.
  const proxies = proxy ? { http_proxy: proxy.url, https_proxy: proxy.url } : {};
  const except = proxy?.except.length ? { no_proxy: proxy.except.join(",") } : {};
  return { ...Object.fromEntries(kept), ...proxies, ...except };
}

/** What comes with the extension: the server's wheel, what it needs, and, for machines without network, that as wheels. */
export interface Packed {
  wheel: string;
  requirements: string;
  libraries?: string;
}

/** What makes an environment: wheels alone, of the hashes that came with the extension, then our own wheel. */
export function setUpSteps(
  python: string,
  environment: { folder: string; python: string },
  { wheel, requirements, libraries }: Packed,
): [string, string[]][] {
  const pip = [...ISOLATED, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--only-binary=:all:"];
  const from = libraries ? ["--no-index", "--find-links", libraries] : ["--retries=1"];
  return [
    [python, [...ISOLATED, "-m", "venv", environment.folder]],
    [environment.python, [...pip, ...from, "--require-hashes", "-r", requirements]],
    [environment.python, [...pip, "--no-index", "--no-deps", wheel]],
  ];
}

/** Run a program to its end in a folder of the extension's own; aborting ends it. Throws if it cannot be started. */
export function run(
  command: string,
  args: string[],
  cwd: string,
  { signal, tell, proxy }: { signal?: AbortSignal; tell?: (line: string) => void; proxy?: EditorProxy } = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: isolatedEnvironment(process.env, proxy), signal });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        for (const line of text.split(/\r?\n/)) if (line.trim()) tell?.(line.trim());
      });
    }
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}

/** The first Python on the PATH that is new enough, or those that are not; `ask` runs a program to its end. */
export async function findPython(
  ask: (command: string, args: string[]) => Promise<Finished>,
): Promise<{ path?: string; tooOld: string[] }> {
  const tooOld: string[] = [];
  for (const name of CANDIDATES) {
    try {
      const asked = [...ISOLATED, "-c", "import sys; print(*sys.version_info[:2], sys.executable)"];
      const { code, output } = await ask(name, asked);
      const [, major, minor, path] = output.trim().match(/^(\d+) (\d+) (.+)$/) ?? [];
      if (code !== 0 || !path) continue;
      if (Number(major) === OLDEST[0] && Number(minor) >= OLDEST[1]) return { path, tooOld };
      tooOld.push(`${path} is ${major}.${minor}`);
    } catch {
      // not on this machine
    }
  }
  return { tooOld };
}
