import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { debianPrograms } from "../../engine/programs/debian";
import { reportHtml } from "../../stacks/fleet/rollout/view/report";
import { Page } from "../support/browser-page";
import { failedRun, HOSTILE, RUN } from "../support/rollout-run";

/** WCAG 2's least contrast of text. */
const LEAST_CONTRAST = 4.5;

describe("a rollout's report in a real browser", function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), "clawfleet-report-"));
  const file = join(folder, "report.html");
  let page: Page;

  before(async () => {
    writeFileSync(file, reportHtml(failedRun()));
    const log = (line: string): void => void process.stderr.write(`    ${line}\n`);
    page = await Page.open(await debianPrograms(["chromium-headless-shell", "socat"], log), pathToFileURL(file).href);
  });
  after(async () => {
    await page.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("asks for nothing but itself, and its own policy refuses nothing that it has", () => {
    assert.deepEqual(page.requests, [pathToFileURL(file).href]);
    assert.deepEqual(page.problems, []);
  });

  it("shows a hostile message as text, and runs nothing of it", async () => {
    assert.equal(await page.evaluate("document.title"), `Rollout ${RUN}: failed`);
    assert.equal(await page.evaluate("document.querySelectorAll('script, img, b, [onerror]').length"), 0);
    const cause = await page.evaluate("document.querySelector('.failure .message').textContent");
    assert.equal(cause, `PolicyViolation: ${HOSTILE}`);
  });

  it("would run nothing even if a message were not escaped", async () => {
    const unescaped = reportHtml(failedRun()).replace("<h2>Timeline", `${HOSTILE}<h2>Timeline`);
    writeFileSync(join(folder, "unescaped.html"), unescaped);
    await page.goto(pathToFileURL(join(folder, "unescaped.html")).href);
    assert.equal(await page.evaluate("document.querySelectorAll('body script').length"), 1, "it is in the page");
    assert.equal(await page.evaluate("document.title"), `Rollout ${RUN}: failed`);
    assert.ok(page.problems.length > 0, "the browser says that it refused");
    await page.goto(pathToFileURL(file).href);
  });

  it("has the timeline of each cell, changes, findings, and failures with cause and fix", async () => {
    const text = String(await page.evaluate("document.body.innerText"));
    for (const expected of [
      "Started by\nada@desk",
      "Intent\nOpenClaw 2026.9.6",
      "1 done, 1 failed, 1 skipped",
      "identity 1s, preview 4s, up 10s, health 5s",
      "3 added, 1 updated",
      "images-pinned",
      "Fix: pin the image <b>by digest</b>",
      "Unreachable: no answer; tried again",
      "Approved: canary",
    ])
      assert.ok(text.includes(expected), `${expected} in:\n${text}`);
    const bars = "[...document.querySelectorAll('svg')].map((bar) => bar.getBoundingClientRect().width > 100)";
    assert.deepEqual(await page.evaluate(bars), [true, true]);
    const fills = "new Set([...document.querySelectorAll('rect')].map((r) => getComputedStyle(r).fill)).size";
    assert.equal(await page.evaluate(fills), 5, "each phase has a colour of its own: the style sheet is applied");
  });

  it("is one that assistive technology can read", async () => {
    const names = await page.accessibleNames();
    for (const [role, name] of [
      ["heading", `Rollout ${RUN}: failed`],
      ["heading", "Failures"],
      ["table", "Wave rest: failed, 7s"],
      ["columnheader", "Phases"],
      ["rowheader", "eu-globex"],
    ])
      assert.ok(
        names.some((node) => node.role === role && node.name === name),
        `${String(role)} ${String(name)} among ${JSON.stringify(names)}`,
      );
    assert.equal(await page.evaluate("document.documentElement.lang"), "en");
  });

  for (const scheme of ["light", "dark"] as const)
    it(`has enough contrast in a ${scheme} browser`, async () => {
      await page.preferColours(scheme);
      const { ground, texts } = (await page.evaluate(`(() => {
        const style = (element) => getComputedStyle(element);
        const ground = style(document.body).backgroundColor;
        const under = (element) => {
          for (let at = element; at; at = at.parentElement)
            if (style(at).backgroundColor !== "rgba(0, 0, 0, 0)") return style(at).backgroundColor;
          return ground;
        };
        const own = [...document.body.querySelectorAll("*")].filter(
          (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ""),
        );
        const texts = own.filter((element) => !element.closest("svg")).map((element) => ({
          text: element.textContent.slice(0, 40), colour: style(element).color, ground: under(element),
        }));
        return { ground, texts };
      })()`)) as { ground: string; texts: { text: string; colour: string; ground: string }[] };
      assert.equal(luminance(ground) > 0.5, scheme === "light");
      assert.ok(texts.length > 30);
      for (const { text, colour, ground: under } of texts)
        assert.ok(contrast(colour, under) >= LEAST_CONTRAST, `${text}: ${colour} on ${under}`);
    });
});

function contrast(one: string, other: string): number {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

/** Relative luminance, as WCAG 2 has it. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? []).map((part) => {
    const share = Number(part) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
