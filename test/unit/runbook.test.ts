import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../cli/workspace";
import { checksOf } from "../../components/diagnostics";
import { alertRules } from "../../components/telemetry/alerts";

describe("the runbook", () => {
  const text = readFileSync(join(projectRoot, "docs", "runbook.md"), "utf8");

  it("says what to do about every alert", () => {
    for (const { name } of alertRules({ backupHours: 24 })) assert.ok(text.includes(`\`${name}\``), name);
  });

  it("says what to do about every part that diagnostics check", () => {
    const any = { component: "any", host: "any", port: 1 };
    const targets = {
      gateway: any,
      modelProxy: any,
      search: any,
      messageBroker: any,
      telemetry: any,
      forwardProxy: any,
    };
    const headings = text
      .split("\n")
      .filter((line) => line.startsWith("#"))
      .join("\n")
      .toLowerCase();
    const words = {
      "metadata-blocked": "diagnostics",
      "internet-blocked": "diagnostics",
      "message-broker": "messages",
    };
    for (const { check } of checksOf({ ...targets, deniedName: "example.org" })) {
      const word = (words as Record<string, string>)[check] ?? check.replace("-", " ");
      assert.ok(headings.includes(word), check);
    }
  });
});
