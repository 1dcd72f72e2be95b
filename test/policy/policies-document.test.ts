import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../cli/workspace";
import { policies } from "../../policy/policies";
import { policiesDocument } from "./policies-document";

const DOCUMENT = join(projectRoot, "docs", "policies.md");

describe("docs/policies.md", () => {
  it("is what the policies say", () => {
    const text = policiesDocument();
    if (process.env.UPDATE_POLICIES !== undefined) writeFileSync(DOCUMENT, text);
    assert.equal(readFileSync(DOCUMENT, "utf8"), text, "run `npm run policies-doc`");
  });

  it("has of every policy why it is there, how to comply, and where to read on", () => {
    const text = readFileSync(DOCUMENT, "utf8");
    for (const { name, why, remediationSteps, url = "", severity } of policies) {
      assert.ok(text.includes(`\n## ${name}\n`), name);
      assert.match(why, /^[A-Z].{20,}\.$/s, name);
      assert.match(remediationSteps, /^[A-Z].{10,}\.$/s, name);
      assert.match(url, /^https:\/\/[^ ]+$/, name);
      assert.match(severity, /^(low|medium|high|critical)$/, name);
    }
  });

  it("explains every option of every policy", () => {
    const text = readFileSync(DOCUMENT, "utf8");
    for (const { name, configSchema } of policies) {
      for (const [option, { description = "" }] of Object.entries(configSchema?.properties ?? {})) {
        assert.ok(description.length > 20, `${name}.${option}`);
        assert.ok(text.includes(`\`${option}\``), `${name}.${option}`);
      }
    }
  });
});
