import { createHash } from "node:crypto";
import type { RolloutEvent } from "../events";
import { html, Markup } from "./html";
import { plainLine } from "./lines";
import { REPORT_STYLE } from "./report-style";
import { cellsOf, outcomesOf, recordOf, type CellRecord, type RolloutRecord, type WaveRecord } from "./record";
import { changesInWords, counted, duration, reasonOf } from "./words";

/**
 * A rollout as one HTML file that needs nothing else: no script, no font, no image, and a policy in it that lets a
 * browser load none. Whatever an event says is text in it.
 */
export function reportHtml(events: readonly RolloutEvent[]): string {
  const record = recordOf(events);
  const cells = cellsOf(record);
  const hash = createHash("sha256").update(REPORT_STYLE).digest("base64");
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Rollout ${record.run}: ${record.status}</title>
        ${new Markup(`<style>${REPORT_STYLE}</style>`)}
      </head>
      <body>
        <main>
          <h1>Rollout ${record.run}: <span class="${record.status}">${record.status}</span></h1>
          ${overview(record, cells)} ${failures(cells)} ${timeline(record)} ${changes(cells)} ${findings(cells)}
          ${notices(cells)}
          <h2>Log</h2>
          <details>
            <summary>${counted(events.length, "event")}</summary>
            <pre>${log(events)}</pre>
          </details>
        </main>
      </body>
    </html> `;
  return page.html;
}

function overview(record: RolloutRecord, cells: CellRecord[]): Markup {
  const { started, finished } = record;
  const counts = Object.entries(outcomesOf(cells)).map(([outcome, count]) => `${String(count)} ${outcome}`);
  const open = cells.filter((cell) => cell.finished === undefined).length;
  const rows: [string, string | undefined][] = [
    ["Outcome", finished?.message],
    ["Cells", [...counts, ...(open > 0 ? [`${String(open)} not finished`] : [])].join(", ")],
    ["Started by", started?.by],
    ["Intent", started?.type === "runStarted" ? started.intent : undefined],
    ["Undoes", started?.type === "rollbackStarted" ? started.of : undefined],
    ["Started", started?.at],
    ["Took", duration((record.endedAt ?? record.lastAt) - record.startedAt)],
    ["Git revision", started?.plan.frozen.gitRevision],
    ["Config hash", started?.plan.frozen.configHash],
    ["Policy hash", started?.plan.frozen.policyHash],
    ["Lock hash", started?.plan.frozen.lockHash],
    ...record.waves.flatMap(({ name, approvals }) =>
      approvals.map(({ by, at }): [string, string] => [`Approved: ${name}`, `by ${by}, ${at}`]),
    ),
  ];
  return html`<dl>
    ${rows
      .filter(([, value]) => value !== undefined && value !== "")
      .map(
        ([term, value]) =>
          html`<dt>${term}</dt>
            <dd>${value}</dd>`,
      )}
  </dl>`;
}

function failures(cells: CellRecord[]): Markup | undefined {
  const failed = cells.filter(({ finished }) => finished?.outcome === "failed");
  if (failed.length === 0) return undefined;
  return html`<h2>Failures</h2>
    ${failed.map(
      (cell) =>
        html`<section class="failure">
          <h3>${cell.id}</h3>
          <p><strong>Cause:</strong> <span class="message">${reasonOf(cell) || "not known"}</span></p>
          ${cell.finished?.fix === undefined ? undefined : html`<p><strong>Fix:</strong> <span class="message">${cell.finished.fix}</span></p>`}
        </section>`,
    )}`;
}

function timeline(record: RolloutRecord): Markup {
  const end = record.endedAt ?? record.lastAt;
  return html`<h2>Timeline</h2>
    ${record.waves.map((wave) => waveTable(wave, record.startedAt, end))}`;
}

function waveTable(wave: WaveRecord, start: number, end: number): Markup {
  const took = wave.startedAt === undefined ? "" : `, ${duration((wave.endedAt ?? end) - wave.startedAt)}`;
  return html`<table>
    <caption>
      Wave ${wave.name}: ${wave.status}${took}
    </caption>
    <thead>
      <tr>
        <th scope="col">Cell</th>
        <th scope="col">Outcome</th>
        <th scope="col" class="number">Attempts</th>
        <th scope="col" class="number">Time</th>
        <th scope="col">Phases</th>
      </tr>
    </thead>
    <tbody>
      ${wave.cells.map((cell) => cellRow(cell, start, end))}
    </tbody>
  </table>`;
}

function cellRow(cell: CellRecord, start: number, end: number): Markup {
  const outcome = cell.finished?.outcome ?? (cell.startedAt === undefined ? "not started" : "not finished");
  const took = cell.startedAt === undefined ? "" : duration((cell.endedAt ?? end) - cell.startedAt);
  return html`<tr>
    <th scope="row">${cell.id}</th>
    <td class="${outcome}">${outcome}</td>
    <td class="number">${cell.attempt}</td>
    <td class="number">${took}</td>
    <td class="bar">${bar(cell, start, end)}</td>
  </tr>`;
}

/** The phases as a bar from the run's start to its end, and the same in words. */
function bar(cell: CellRecord, start: number, end: number): Markup | undefined {
  if (cell.phases.length === 0) return undefined;
  const scale = 1000 / Math.max(1, end - start);
  const phases = cell.phases.map(({ phase, startedAt, endedAt = end }) => ({
    phase,
    words: `${phase} ${duration(endedAt - startedAt)}`,
    x: ((startedAt - start) * scale).toFixed(1),
    // What took no time at all is seen, too.
    width: Math.max(1, (endedAt - startedAt) * scale).toFixed(1),
  }));
  const words = phases.map((phase) => phase.words).join(", ");
  return html`<svg viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true">
      ${phases.map(
        ({ phase, x, width, words: title }) =>
          html`<rect class="phase-${phase}" x="${x}" y="0" width="${width}" height="16"><title>${title}</title></rect>`,
      )}
    </svg>
    <p>${words}</p>`;
}

function changes(cells: CellRecord[]): Markup {
  const changed = cells.filter((cell) => cell.changes !== undefined);
  return html`<h2>Changes</h2>
    ${
      changed.length === 0
        ? html`<p>No cell has a preview.</p>`
        : table(
            "What the preview of each cell showed",
            ["Cell", "Resources"],
            changed.map((cell) => [cell.id, cell.changes === undefined ? "" : changesInWords(cell.changes)]),
          )
    }`;
}

function findings(cells: CellRecord[]): Markup {
  const found = cells.flatMap((cell) => cell.findings);
  return html`<h2>Policy findings</h2>
    ${
      found.length === 0
        ? html`<p>None.</p>`
        : table(
            "What the policy pack found",
            ["Cell", "Policy", "Level", "Resource", "Finding"],
            found.map(({ cell, policy, level, urn, message }) => [cell, policy, level, urn, message]),
          )
    }`;
}

/** What somebody reading the report should know beside: notices, and why attempts were repeated. */
function notices(cells: CellRecord[]): Markup | undefined {
  const rows = cells.flatMap((cell) => [
    ...cell.notices.map(({ at, message }) => [cell.id, at, message]),
    ...cell.retries.map(({ at, class: name, message }) => [cell.id, at, `${name}: ${message}; tried again`]),
  ]);
  if (rows.length === 0) return undefined;
  return html`<h2>Notices</h2>
    ${table("Warnings and repeated attempts", ["Cell", "Time", "Notice"], rows)}`;
}

function table(caption: string, header: string[], rows: string[][]): Markup {
  return html`<table>
    <caption>
      ${caption}
    </caption>
    <thead>
      <tr>
        ${header.map((name) => html`<th scope="col">${name}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ([first, ...rest]) =>
          html`<tr>
            <th scope="row">${first}</th>
            ${rest.map((text) => html`<td>${text}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function log(events: readonly RolloutEvent[]): string {
  return events
    .map(plainLine)
    .filter((line) => line !== undefined)
    .join("\n");
}
