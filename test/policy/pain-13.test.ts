import assert from "node:assert/strict";
import { imageNames, resolveImage } from "../../components/images";
import { imagesPinned } from "../../policy/policies/images-pinned";
import { validate } from "./support";

/** What others deploy, as STACK.md 1.2 and 2.2 found it. */
const TAG_ONLY = [
  "ghcr.io/berriai/litellm-database:main-v1.61.0",
  "clickhouse/clickhouse-server:25.7-alpine",
  "docker.hyperdx.io/hyperdx/hyperdx:2.8.0",
  "mongo:5.0.32-focal",
  "docker.clickhouse.com/clickhouse/clickstack-otel-collector:2.8.0",
  "docker.io/envoyproxy/gateway:v1.3.0",
  "bitnami/kubectl:latest",
  "ghcr.io/openclaw/openclaw:latest",
  "nginx:1.27-alpine",
  "chromedp/headless-shell:stable",
  "ghcr.io/tailscale/tailscale:latest",
  "ollama/ollama:latest",
  "otel/opentelemetry-collector:0.120.0",
  "busybox:1.37",
  "ghcr.io/astral-sh/uv:0.6-bookworm-slim",
  "rclone/rclone:1.68",
];
const pod = (images: string[]) => ({
  type: "kubernetes:core/v1:Pod",
  props: { spec: { containers: images.map((image) => ({ image })) } },
});

describe("pain 13: images that change under their name", () => {
  it("are refused, every one that KubeClaw's chart and the operator deploy by tag alone", async () => {
    const { violations } = await validate(imagesPinned, pod(TAG_ONLY));
    const containers = new Set(violations.map((violation) => /containers\[(\d+)\]/.exec(violation)?.[1]));
    assert.equal(containers.size, TAG_ONLY.length);
  });

  it("are refused as an option as well", () => {
    for (const image of TAG_ONLY) assert.throws(() => resolveImage("openclaw-gateway", image, "gateway.image"), image);
  });

  it("are none of ours", async () => {
    assert.ok(imageNames.length > 5);
    const ours = imageNames.map((name) => resolveImage(name, undefined, name));
    assert.deepEqual(await validate(imagesPinned, pod(ours)), { violations: [] });
  });
});
