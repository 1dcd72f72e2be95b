import assert from "node:assert/strict";
import { imagesPinned } from "../../policy/policies/images-pinned";
import { otherKinds, UNKNOWN, validate, workloads } from "./support";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;
const PINNED = `registry.example/openclaw/openclaw:2026.9.6@${DIGEST}`;
const PIN = "write it as NAME:TAG@sha256:DIGEST";
const NO_DIGEST = `the image has no sha256 digest; ${PIN}`;
const pod = (...images: unknown[]) => ({
  type: "kubernetes:core/v1:Pod",
  props: { spec: { containers: images.map((image) => ({ image })) } },
});

describe("policy images-pinned", () => {
  it("accepts a tag with a digest, in every container of every kind", async () => {
    const containers = [{ image: PINNED }];
    for (const { resource } of workloads({ containers, initContainers: containers, ephemeralContainers: containers })) {
      assert.deepEqual(await validate(imagesPinned, resource), { violations: [] }, resource.type);
    }
  });

  it("names every container without a digest, of every kind", async () => {
    const containers = [{ image: PINNED }, { image: "nginx:1.29.1" }];
    for (const { path, resource } of workloads({
      containers,
      initContainers: containers,
      ephemeralContainers: containers,
    })) {
      assert.deepEqual(
        (await validate(imagesPinned, resource)).violations,
        ["initContainers", "containers", "ephemeralContainers"].map((list) => `${path}.${list}[1].image: ${NO_DIGEST}`),
        resource.type,
      );
    }
  });

  const cases: [string, unknown, string[]][] = [
    ["no image", undefined, [`no image; ${PIN}`]],
    ["an empty image", "", [`no image; ${PIN}`]],
    ["a name alone", "nginx", [`the image has no tag; ${PIN}`, NO_DIGEST]],
    ["a registry's port for a tag", `localhost:5000/nginx@${DIGEST}`, [`the image has no tag; ${PIN}`]],
    ["a digest that is cut off", "nginx:1.29.1@sha256:0123", [NO_DIGEST]],
    ["a digest of another algorithm", `nginx:1.29.1@sha512:${"0".repeat(128)}`, [NO_DIGEST]],
    [
      "latest, though pinned",
      `nginx:latest@${DIGEST}`,
      ["the image's tag is latest, which is another image every time; name a version"],
    ],
    ["a registry with a port", `localhost:5000/nginx:1.29.1@${DIGEST}`, []],
  ];
  for (const [what, image, problems] of cases) {
    it(`${problems.length > 0 ? "refuses" : "accepts"} ${what}`, async () => {
      const { violations } = await validate(imagesPinned, pod(image));
      assert.deepEqual(
        violations,
        problems.map((problem) => `spec.containers[0].image: ${problem}`),
      );
    });
  }

  it("refuses a volume's image that is not pinned", async () => {
    const volumes = [
      { name: "models", image: { reference: PINNED } },
      { name: "data", image: { reference: "data:1" } },
      { name: "tmp", emptyDir: {} },
      { name: "late", image: { reference: UNKNOWN } },
    ];
    assert.deepEqual(await validate(imagesPinned, { type: "kubernetes:core/v1:Pod", props: { spec: { volumes } } }), {
      violations: [`spec.volumes[1].image.reference: ${NO_DIGEST}`],
      advisory: "1 field not decidable in preview: spec.volumes[3].image.reference",
    });
  });

  it("refuses registries that the config does not allow", async () => {
    const refused = async (allowedRegistries: string[], ...names: string[]) => {
      const { violations } = await validate(imagesPinned, pod(...names.map((name) => `${name}:1@${DIGEST}`)), {
        allowedRegistries,
      });
      return violations.map((violation) => violation.replace(/: the image is from no registry of .*/, ""));
    };
    assert.deepEqual(await refused(["registry.example"], "registry.example/a", "registry.example.com/a", "a"), [
      "spec.containers[1].image",
      "spec.containers[2].image",
    ]);
    assert.deepEqual(await refused(["registry.example/team/"], "registry.example/team/a", "registry.example/teams/a"), [
      "spec.containers[1].image",
    ]);
    assert.deepEqual(await refused(["docker.io/library"], "nginx", "docker.io/library/nginx", "bitnami/nginx"), [
      "spec.containers[2].image",
    ]);
  });

  it("refuses images that are not in the config's catalogue", async () => {
    const { violations } = await validate(imagesPinned, pod(PINNED, `nginx:1@${DIGEST}`), { catalogue: [PINNED] });
    assert.deepEqual(violations, [
      "spec.containers[1].image: the image is not in images-pinned.catalogue; use one that is, or have it added",
    ]);
  });

  it("finds a violation beside an unknown, and names the unknown", async () => {
    assert.deepEqual(await validate(imagesPinned, pod(UNKNOWN, "nginx:1.29.1", UNKNOWN)), {
      violations: [`spec.containers[1].image: ${NO_DIGEST}`],
      advisory: "2 fields not decidable in preview: spec.containers[0].image, spec.containers[2].image",
    });
  });

  it("finds a violation beside a list that is unknown", async () => {
    const props = { spec: { containers: [{ image: "nginx:1.29.1" }], initContainers: UNKNOWN } };
    assert.deepEqual(await validate(imagesPinned, { type: "kubernetes:core/v1:Pod", props }), {
      violations: [`spec.containers[0].image: ${NO_DIGEST}`],
      advisory: "1 field not decidable in preview: spec.initContainers",
    });
  });

  it("never repeats a value", async () => {
    const { violations } = await validate(imagesPinned, pod("canary/canary:latest"), {
      allowedRegistries: ["a.example"],
    });
    assert.equal(violations.length, 3);
    assert.ok(!violations.join("\n").includes("canary"));
  });

  it("leaves other kinds alone", async () => {
    for (const resource of otherKinds({ containers: [{ image: "nginx" }] })) {
      assert.deepEqual(await validate(imagesPinned, resource), { violations: [] }, resource.type);
    }
  });
});
