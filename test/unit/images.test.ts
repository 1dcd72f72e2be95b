import assert from "node:assert/strict";
import { NotFound, ValidationFailed } from "../../components/errors";
import { catalogueImage, imageNames, parseImage, resolveImage } from "../../components/images";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

describe("pain 13: mutable images", () => {
  it("has a well-formed tag, digest and source for every image of the catalogue", () => {
    assert.ok(imageNames.includes("openclaw-gateway"));
    for (const name of imageNames) {
      const image = catalogueImage(name);
      assert.match(image.repository, /^[a-z0-9.-]+\.[a-z]+\/[a-z0-9._/-]+$/, name);
      assert.match(image.tag, /^(?!latest$|stable$|main$)[\w][\w.-]*$/, name);
      assert.match(image.digest, /^sha256:[0-9a-f]{64}$/, name);
      assert.match(image.source, /^[^/]+\/[^/]+\/.+/, `${name}: owner/repository/path`);
      assert.match(image.sourceCommit, /^[0-9a-f]{40}$/, name);
      // Where one file alone records the pair, a note says what to know about it.
      assert.ok(image.confirmations >= 1 || (image.confirmations === 0 && image.note !== undefined), name);
    }
  });

  it("refers to an image of the catalogue by tag and digest", () => {
    const { repository, tag, digest } = catalogueImage("openclaw-gateway");
    const reference = resolveImage("openclaw-gateway", undefined, "gateway.image");
    assert.equal(reference, `${repository}:${tag}@${digest}`);
    assert.deepEqual(parseImage(reference, "gateway.image"), { repository, tag, digest });
  });

  it("says which images there are", () => {
    assert.throws(
      () => catalogueImage("openclaw"),
      (error: Error) => error instanceof NotFound && /Fix: use one of .*openclaw-gateway/.test(error.message),
    );
  });

  for (const reference of [
    `registry.example.com/team/openclaw:2026.9.6@${DIGEST}`,
    `localhost:5000/openclaw:2026.9.6@${DIGEST}`,
    `registry.example.com:8443/a/b/c_d.e-f:v1.0.0-rc.1_2@${DIGEST}`,
  ]) {
    it(`accepts ${reference.slice(0, 50)}`, () => {
      assert.equal(resolveImage("openclaw-gateway", reference, "gateway.image"), reference);
      const { repository, tag, digest } = parseImage(reference, "gateway.image");
      assert.equal(`${repository}:${tag}@${digest}`, reference);
    });
  }

  const unpinned: [string, string][] = [
    ["has no digest", "registry.example.com/openclaw:2026.9.6"],
    ["has no tag", `registry.example.com/openclaw@${DIGEST}`],
    ["has neither", "registry.example.com/openclaw"],
    ["has no registry", `openclaw:2026.9.6@${DIGEST}`],
    ["has a short digest", "registry.example.com/openclaw:1@sha256:abc"],
    ["has another kind of digest", `registry.example.com/openclaw:1@md5:${"0".repeat(32)}`],
    ["has something behind the digest", `registry.example.com/openclaw:1@${DIGEST} --privileged`],
    ["has a scheme", `https://registry.example.com/openclaw:1@${DIGEST}`],
    ["is empty", ""],
  ];
  for (const [what, reference] of unpinned) {
    it(`refuses one that ${what}, and says how to write it`, () => {
      assert.throws(
        () => resolveImage("openclaw-gateway", reference, "gateway.image"),
        (error: Error) =>
          error instanceof ValidationFailed &&
          /^gateway\.image: image .* is not pinned\n {2}Fix: write it as registry\/repository:tag@sha256/.test(
            error.message,
          ),
      );
    });
  }
});
