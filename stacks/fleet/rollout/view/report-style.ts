/** The report's style. Every colour of text has a contrast of at least 4.5 to 1 on its ground, in light and in dark. */
export const REPORT_STYLE = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --text: #1b1f24; --muted: #57606a; --line: #d0d7de; --raised: #f6f8fa;
  --good: #1a6b2d; --bad: #b3261e; --warn: #7d4e00;
  --identity: #8c959f; --preview: #4078c0; --policy: #8250df; --up: #1a7f37; --health: #bf8700; --soak: #c2a878;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --text: #e6e9ec; --muted: #a0a9b2; --line: #3a4149; --raised: #1e2328;
    --good: #7bd88f; --bad: #ff8a80; --warn: #f0c36d;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 75rem; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; } h3 { font-size: 1.05rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; margin-bottom: 1.5rem; }
caption { text-align: left; color: var(--muted); padding-bottom: .5rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
thead th { color: var(--muted); font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { width: 45%; min-width: 12rem; } .bar svg { display: block; width: 100%; height: 1rem; background: var(--raised); }
.bar p { margin: 0; color: var(--muted); font-size: .85rem; }
.done, .unchanged { color: var(--good); } .failed, .aborted { color: var(--bad); font-weight: 600; }
.cancelled, .skipped, .paused, .interrupted { color: var(--warn); }
.failure { border-left: 4px solid var(--bad); background: var(--raised); padding: .5rem 1rem; margin: 1rem 0; }
.failure h3 { margin: 0; } .failure p { margin: .25rem 0; } .message { white-space: pre-wrap; overflow-wrap: anywhere; }
${["identity", "preview", "policy", "up", "health", "soak"].map((phase) => `.phase-${phase} { fill: var(--${phase}); }`).join("\n")}
summary { cursor: pointer; } pre { overflow: auto; padding: 1rem; background: var(--raised); }
`;
