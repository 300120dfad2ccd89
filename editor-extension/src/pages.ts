// Pages that a person reads: what the memory knows, and the numbers. Pure text: no scripts, no network, only links to
// commands of our own.

/** What the server says of its memory. */
export interface Knowledge {
  memory: "off" | "file" | "open" | "project";
  texts: { name: string; characters: number; tokens: number }[];
  leftOut: { path: string; why: string }[];
}

/** What happened on one day. */
export interface Day {
  shown: number;
  accepted: number;
  kept: number;
  keptLong: number;
  characters: number;
}

export type Days = Record<string, Day>;

/** What the server has counted. */
export interface Numbers {
  on: boolean;
  days: Days;
  silences: Record<string, [number, string]>;
  milliseconds: [number, number] | null;
}

const STYLE = `
  body { font-family: var(--vscode-font-family); color: var(--vscode-foreground); background: var(--vscode-editor-background); max-width: 60em; padding: 0 2em 2em; }
  table { border-collapse: collapse; }
  th, td { text-align: left; overflow-wrap: anywhere; padding: 0.2em 1.5em 0.2em 0; vertical-align: top; }
  th { overflow-wrap: normal; }
  td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
  a { color: var(--vscode-textLink-foreground); text-decoration: underline; }
  .bar { max-width: 100%; forced-color-adjust: none; background: var(--vscode-charts-blue, var(--vscode-textLink-foreground)); outline: 1px solid var(--vscode-contrastBorder, transparent); height: 0.8rem; display: inline-block; min-width: 1px; }
  .part { opacity: 0.45; }
  @media (max-width: 40em) { .bar { font-size: 40%; } }`; // the bars' widths are in em

const SCOPES = {
  off: "Nothing is learned: the setting <code>lineahead.memory</code> is <code>off</code>.",
  file: "Lineahead learns only from the file that you write in (setting <code>lineahead.memory</code>).",
  open: "Lineahead learns from the open files (setting <code>lineahead.memory</code>).",
  project: "Lineahead learns from the open files and the project's Python files.",
};

const number = (value: number) => value.toLocaleString("en");

export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** A link that runs one of our commands on a file of some name, which tells it from others for those who listen. */
function linkFor(name: string, command: string, label: string, uri: string): string {
  return link(command, label, uri).replace("<a ", `<a aria-label="${escapeHtml(`${label}: ${name}`)}" `);
}

/** A link that runs one of our commands. */
function link(command: string, label: string, ...args: unknown[]): string {
  const query = args.length ? `?${encodeURIComponent(JSON.stringify(args))}` : "";
  return `<a href="command:lineahead.${command}${query}">${label}</a>`;
}

function page(title: string, body: string): string {
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>${STYLE}</style></head><body><main><h1>${title}</h1>${body}</main></body></html>`;
}

/** What the memory holds; `short` makes a name readable, `uri` makes it an address. */
export function knowledgePage(
  { memory, texts, leftOut }: Knowledge,
  short: (name: string) => string,
  uri: (name: string) => string,
): string {
  const tokens = texts.reduce((sum, text) => sum + text.tokens, 0);
  const rows = texts.map(
    (text) =>
      `<tr><td>${escapeHtml(short(text.name))}</td><td class="number">${number(text.tokens)}</td>
<td>${linkFor(short(text.name), "forgetFile", "Forget this file", uri(text.name))}</td></tr>`,
  );
  const missing = leftOut.map(
    ({ path, why }) => `<tr><td>${escapeHtml(short(path))}</td><td>${escapeHtml(why)}</td></tr>`,
  );
  const table = rows.length
    ? `<table><tr><th scope="col">File</th><th scope="col" class="number">Tokens</th><td></td></tr>${rows.join("\n")}</table>`
    : "<p>It holds nothing.</p>";
  const left = missing.length
    ? `<h2>What was left out</h2><table><tr><th scope="col">File or folder</th><th scope="col">Why</th></tr>${missing.join("\n")}</table>`
    : "";
  return page(
    "What Lineahead knows",
    `<p>${SCOPES[memory]} What it learns stays in RAM, is never written to disk, and is gone when the editor is closed.</p>
<p>${number(texts.length)} ${texts.length === 1 ? "file" : "files"}, ${number(tokens)} tokens. ${link("forgetAll", "Forget everything")} · ${link("whatItKnows", "Refresh")}</p>
<h2>What it learned from</h2>${table}${left}`,
  );
}

/** Two counts of the same days, added up. */
export function added(one: Days, other: Days): Days {
  const sum: Days = { ...one };
  for (const [date, day] of Object.entries(other)) {
    const known = sum[date];
    sum[date] = known
      ? {
          shown: known.shown + day.shown,
          accepted: known.accepted + day.accepted,
          kept: known.kept + day.kept,
          keptLong: known.keptLong + day.keptLong,
          characters: known.characters + day.characters,
        }
      : day;
  }
  return sum;
}

/** The numbers; `keeps` says whether they outlive the editor. */
export function numbersPage(numbers: Numbers, days: Days, keeps: boolean): string {
  if (!numbers.on) {
    return page(
      "Statistics",
      "<p>Nothing is counted: the setting <code>lineahead.statistics</code> is <code>off</code>.</p>",
    );
  }
  const dates = Object.keys(days).sort().slice(-30);
  const chart = (title: string, of: (day: Day) => number, part?: (day: Day) => number) => {
    const most = Math.max(1, ...dates.map((date) => of(days[date] as Day)));
    const rows = dates.map((date) => {
      const day = days[date] as Day;
      const width = (value: number) => `${((20 * value) / most).toFixed(2)}em`;
      const inner = part ? `<span class="bar" style="width:${width(part(day))}"></span>` : "";
      const outer = `<span class="bar part" style="width:${width(of(day) - (part ? part(day) : 0))}"></span>`;
      const label = part ? `${number(part(day))} of ${number(of(day))}` : number(of(day));
      return `<tr><th scope="row">${escapeHtml(date)}</th><td aria-hidden="true">${inner}${outer}</td><td class="number">${label}</td></tr>`;
    });
    return `<h2>${title}</h2><table>${rows.join("\n")}</table>`;
  };
  const charts = dates.length
    ? [
        chart(
          "Accepted, of what was shown",
          (day) => day.shown,
          (day) => Math.min(day.accepted, day.shown),
        ),
        chart(
          "Still there after half a minute, of what was accepted",
          (day) => day.accepted,
          (day) => day.kept,
        ),
        chart(
          "Still there after five minutes, of what was accepted",
          (day) => day.accepted,
          (day) => day.keptLong,
        ),
        chart("Characters that you did not type", (day) => day.characters),
      ].join("")
    : "<p>Nothing was suggested yet.</p>";
  const [median, high] = numbers.milliseconds ?? [];
  const time =
    median === undefined
      ? ""
      : `<p>${Math.round(median)} ms in the median, ${Math.round(high ?? 0)} ms at the 95th percentile.</p>`;
  const silences = Object.entries(numbers.silences)
    .map(
      ([reason, [count, words]]) =>
        `<tr><td class="number">${number(count)}</td><td>${escapeHtml(reason)}</td><td>${escapeHtml(words)}</td></tr>`,
    )
    .join("\n");
  const kept = keeps
    ? "They are kept when the editor is closed."
    : "They are gone when the editor is closed; set <code>lineahead.statistics</code> to <code>keep</code> to keep them.";
  return page(
    "Statistics",
    `<p>These numbers stay on this machine. ${kept} ${link("eraseNumbers", "Erase them")} · ${link("statisticsPage", "Refresh")}</p>
${charts}<h2>Times</h2>${time || "<p>None yet.</p>"}<h2>Why nothing was suggested</h2><table>${silences}</table>`,
  );
}
