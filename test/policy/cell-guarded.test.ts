import assert from "node:assert/strict";
import { cellGuarded } from "../../policy/policies/cell-guarded";
import { UNKNOWN, validate } from "./support";

const cell = (props: Record<string, unknown>) => ({ type: "clawfleet:index:AgentStack", name: "cell", props });
const violations = async (...args: Parameters<typeof validate> extends [unknown, ...infer Rest] ? Rest : never) => {
  const verdict = await validate(cellGuarded, ...args);
  assert.equal(verdict.advisory, undefined);
  return verdict.violations;
};
const EXEC = "runs commands that nobody approved; use ask or allowlist";

describe("policy cell-guarded", () => {
  it("accepts a cell that takes no guard away", async () => {
    const gateway = { egress: [{ cidr: "203.0.113.0/24" }], openclaw: { tools: { exec: "ask" } } };
    assert.deepEqual(await violations(cell({})), []);
    assert.deepEqual(await violations(cell({ forwardProxy: {}, gateway })), []);
  });

  it("asks for the parts that the config asks for", async () => {
    const config = { requiredParts: ["dnsFilter", "forwardProxy"] };
    assert.deepEqual(await violations(cell({ dnsFilter: {} }), config), [
      "forwardProxy: not there; switch it on, {} has defaults",
    ]);
    assert.deepEqual(await violations(cell({ dnsFilter: {}, forwardProxy: { replicas: 3 } }), config), []);
  });

  it("refuses a way past the forward proxy to every address", async () => {
    const egress = [{ cidr: "10.0.0.0/8" }, { cidr: "0.0.0.0/0" }, { cidr: "::/0" }];
    const problem = "every address, past the forward proxy; leave it out, or name the network";
    assert.deepEqual(await violations(cell({ forwardProxy: {}, gateway: { egress } })), [
      `gateway.egress[1].cidr: ${problem}`,
      `gateway.egress[2].cidr: ${problem}`,
    ]);
    assert.deepEqual(await violations(cell({ gateway: { egress } })), []);
  });

  it("refuses commands that nobody approved, of all agents and of each", async () => {
    const openclaw = { tools: { exec: "full" }, agents: { entries: { main: {}, ops: { tools: { exec: "full" } } } } };
    assert.deepEqual(await violations(cell({ gateway: { openclaw } })), [
      `gateway.openclaw.tools.exec: ${EXEC}`,
      `gateway.openclaw.agents.entries.ops.tools.exec: ${EXEC}`,
    ]);
    assert.deepEqual(
      await violations(cell({ gateway: { openclaw: { tools: { exec: "ask" } } } }), { refusedExec: ["ask"] }),
      [`gateway.openclaw.tools.exec: ${EXEC}`],
    );
  });

  it("finds a violation beside an unknown, and names the unknown", async () => {
    const gateway = { egress: [{ cidr: UNKNOWN }], openclaw: { tools: { exec: "full" } } };
    assert.deepEqual(await validate(cellGuarded, cell({ forwardProxy: {}, gateway })), {
      violations: [`gateway.openclaw.tools.exec: ${EXEC}`],
      advisory: "1 field not decidable in preview: gateway.egress[0].cidr",
    });
  });

  it("leaves other types alone", async () => {
    const config = { requiredParts: ["forwardProxy"] };
    assert.deepEqual(await violations({ type: "kubernetes:core/v1:ConfigMap", props: {} }, config), []);
  });
});
