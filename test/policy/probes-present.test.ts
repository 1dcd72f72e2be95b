import assert from "node:assert/strict";
import { probesPresent } from "../../policy/policies/probes-present";
import { otherKinds, UNKNOWN, validate, workloads } from "./support";

const livenessProbe = { httpGet: { path: "/alive", port: 80 } };
const readinessProbe = { exec: { command: ["true"] } };
const NOT_ALIVE = "missing; probe that it still does its work";
const NOT_READY = "no readiness probe; probe that it can answer";
const pod = (spec: Record<string, unknown>) => ({ type: "kubernetes:core/v1:Pod", props: { spec } });
/** Kinds whose Pods stay. */
const staying = (spec: Record<string, unknown>) =>
  workloads(spec).filter(({ resource }) => !resource.type.includes(":batch/"));

describe("policy probes-present", () => {
  it("accepts Pods that are probed, and Pods that end", async () => {
    for (const { resource } of staying({
      containers: [{ livenessProbe, readinessProbe }, { livenessProbe }],
      initContainers: [{}, { restartPolicy: "Always", livenessProbe }],
    })) {
      assert.deepEqual(await validate(probesPresent, resource), { violations: [] }, resource.type);
    }
    for (const restartPolicy of ["Never", "OnFailure"]) {
      assert.deepEqual(await validate(probesPresent, pod({ restartPolicy, containers: [{}] })), { violations: [] });
    }
    for (const { resource } of workloads({ containers: [{}] })) {
      if (!resource.type.includes(":batch/")) continue;
      assert.deepEqual(await validate(probesPresent, resource), { violations: [] }, resource.type);
    }
  });

  it("names every container without a liveness probe, of every kind that stays", async () => {
    for (const { path, resource } of staying({
      containers: [{ readinessProbe }, { livenessProbe: {} }],
      initContainers: [{ restartPolicy: "Always" }],
    })) {
      assert.deepEqual(
        (await validate(probesPresent, resource)).violations,
        ["initContainers[0]", "containers[0]", "containers[1]"].map(
          (container) => `${path}.${container}.livenessProbe: ${NOT_ALIVE}`,
        ),
      );
    }
  });

  it("names a Pod without a readiness probe", async () => {
    for (const { path, resource } of staying({
      containers: [{ livenessProbe }, { livenessProbe, readinessProbe: { periodSeconds: 1 } }],
    })) {
      assert.deepEqual((await validate(probesPresent, resource)).violations, [`${path}.containers: ${NOT_READY}`]);
    }
  });

  it("finds violations beside unknowns, and names the unknowns", async () => {
    const containers = [{ livenessProbe, readinessProbe: UNKNOWN }, {}];
    assert.deepEqual(await validate(probesPresent, pod({ containers })), {
      violations: [`spec.containers[1].livenessProbe: ${NOT_ALIVE}`],
      advisory: "1 field not decidable in preview: spec.containers[0].readinessProbe",
    });
    const unknownPath = [{ readinessProbe, livenessProbe: { httpGet: UNKNOWN } }];
    assert.deepEqual(await validate(probesPresent, pod({ containers: unknownPath })), { violations: [] });
  });

  it("leaves other kinds alone", async () => {
    for (const resource of otherKinds({ containers: [{}] })) {
      assert.deepEqual(await validate(probesPresent, resource), { violations: [] }, resource.type);
    }
  });
});
