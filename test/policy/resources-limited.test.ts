import assert from "node:assert/strict";
import { resourcesLimited } from "../../policy/policies/resources-limited";
import { otherKinds, UNKNOWN, validate, workloads } from "./support";

const requests = { cpu: "20m", memory: "64Mi", "ephemeral-storage": "16Mi" };
const limits = { cpu: 1, memory: "256Mi", "ephemeral-storage": "1Gi" };
const NOT_SET = "not set; set it from what the container was measured to need";
const NOT_POSITIVE = "not above zero; set it to a positive quantity";
const EVERY = ["cpu", "memory", "ephemeral-storage"].flatMap((name) => [`requests.${name}`, `limits.${name}`]);
const pod = (resources: unknown) => ({
  type: "kubernetes:core/v1:Pod",
  props: { spec: { containers: [{ resources }] } },
});

describe("policy resources-limited", () => {
  it("accepts requests and limits on every container, and none on ephemeral ones", async () => {
    const containers = [{ resources: { requests, limits } }];
    for (const { resource } of workloads({ containers, initContainers: containers, ephemeralContainers: [{}] })) {
      assert.deepEqual(await validate(resourcesLimited, resource), { violations: [] }, resource.type);
    }
  });

  it("names everything that is missing, in every container of every kind", async () => {
    for (const { path, resource } of workloads({ containers: [{}], initContainers: [{ resources: {} }] })) {
      assert.deepEqual(
        (await validate(resourcesLimited, resource)).violations,
        ["initContainers", "containers"].flatMap((list) =>
          EVERY.map((quantity) => `${path}.${list}[0].resources.${quantity}: ${NOT_SET}`),
        ),
        resource.type,
      );
    }
  });

  for (const quantity of EVERY) {
    const [list = "", name = ""] = quantity.split(".");
    const having = (value: unknown) => {
      const resources: Record<string, Record<string, unknown>> = { requests: { ...requests }, limits: { ...limits } };
      resources[list] = { ...resources[list], [name]: value };
      return pod(resources);
    };
    it(`asks for ${quantity} by itself`, async () => {
      const problem = (text: string) => [`spec.containers[0].resources.${quantity}: ${text}`];
      assert.deepEqual((await validate(resourcesLimited, having(undefined))).violations, problem(NOT_SET));
      assert.deepEqual((await validate(resourcesLimited, having(""))).violations, problem(NOT_SET));
      for (const none of ["0", 0, "0Mi", "0.0", "-1", "plenty"]) {
        assert.deepEqual((await validate(resourcesLimited, having(none))).violations, problem(NOT_POSITIVE));
      }
      for (const some of ["0.5", "500m", 2, "1e3", ".5", "3Mi"]) {
        assert.deepEqual((await validate(resourcesLimited, having(some), { maxRatio: {} })).violations, []);
      }
    });
  }

  it("bounds how far a limit is above its request", async () => {
    const refused = async (resources: unknown, config?: Record<string, unknown>) =>
      (await validate(resourcesLimited, pod(resources), config)).violations;
    const problem = (name: string, ratio: number) =>
      `spec.containers[0].resources.limits.${name}: more than ${String(ratio)} times the request; raise the request, or lower the limit`;
    assert.deepEqual(await refused({ requests, limits: { ...limits, cpu: "1001m", memory: "257Mi" } }), [
      problem("cpu", 50),
      problem("memory", 4),
    ]);
    assert.deepEqual(await refused({ requests, limits: { ...limits, "ephemeral-storage": "1025Mi" } }), [
      problem("ephemeral-storage", 64),
    ]);
    assert.deepEqual(await refused({ requests, limits }, { maxRatio: { memory: 2 } }), [problem("memory", 2)]);
    assert.deepEqual(
      await refused({ requests: { ...requests, cpu: "0.05" }, limits: { ...limits, cpu: "2500m" } }),
      [],
    );
  });

  it("finds a violation beside an unknown, and names the unknown", async () => {
    assert.deepEqual(
      await validate(resourcesLimited, pod({ requests: UNKNOWN, limits: { ...limits, memory: UNKNOWN, cpu: 0 } })),
      {
        violations: [`spec.containers[0].resources.limits.cpu: ${NOT_POSITIVE}`],
        advisory:
          "2 fields not decidable in preview: spec.containers[0].resources.requests, spec.containers[0].resources.limits.memory",
      },
    );
  });

  it("leaves other kinds alone", async () => {
    for (const resource of otherKinds({ containers: [{}] })) {
      assert.deepEqual(await validate(resourcesLimited, resource), { violations: [] }, resource.type);
    }
  });
});
