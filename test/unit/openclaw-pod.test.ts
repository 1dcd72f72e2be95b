import assert from "node:assert/strict";
import fc from "fast-check";
import { ValidationFailed } from "../../components/errors";
import {
  assertGracePeriod,
  assertMemory,
  gatewayEnv,
  heapMegabytes,
  mebibytes,
  MIN_TERMINATION_GRACE_PERIOD_SECONDS,
  probeCommand,
  TERMINATION_GRACE_PERIOD_SECONDS,
} from "../../components/openclaw/pod";
import { assertTrustedProxies } from "../../components/openclaw/trusted-proxies";

describe("pain 6: killed for memory", () => {
  it("gives Node's heap three quarters of the limit", () => {
    assert.equal(heapMegabytes(mebibytes("2Gi")), 1536);
    assert.equal(heapMegabytes(mebibytes("4Gi")), 3072);
    const env = gatewayEnv({ configDir: "/etc/openclaw", stateDir: "/state", memoryLimitMi: 2048 });
    assert.equal(env.NODE_OPTIONS, "--max-old-space-size=1536");
  });

  it("refuses less than what was measured, naming the option", () => {
    assert.throws(() => assertMemory(512, 1024), /requestsMemory is 512Mi[\s\S]*limitsMemory is 1024Mi/);
    assert.throws(() => assertMemory(4096, 2048), /limitsMemory is less than requestsMemory/);
    assertMemory(1024, 2048);
  });

  it("reads Kubernetes quantities", () => {
    const expected: [string, number][] = [
      ["1Gi", 1024],
      ["512Mi", 512],
      ["1048576", 1],
      ["2048Ki", 2],
      ["1.5Gi", 1536],
      ["1T", 1e12 / 2 ** 20],
    ];
    for (const [quantity, mi] of expected) assert.equal(mebibytes(quantity), mi);
    for (const wrong of ["", "2 Gi", "2gi", "-1Gi", "lots"]) assert.throws(() => mebibytes(wrong), ValidationFailed);
  });
});

describe("pain 7: killed while it drains", () => {
  it("gives more time than the measured 325 s, and refuses less", () => {
    assert.ok(TERMINATION_GRACE_PERIOD_SECONDS >= MIN_TERMINATION_GRACE_PERIOD_SECONDS);
    assert.throws(() => assertGracePeriod(30), /terminationGracePeriodSeconds.*30 s is less/);
    assertGracePeriod(330);
  });
});

describe("pain 8: a config that is edited in the Pod", () => {
  it("is mounted, and read-only for OpenClaw as well", () => {
    const env = gatewayEnv({ configDir: "/etc/openclaw", stateDir: "/state", memoryLimitMi: 2048 });
    assert.equal(env.OPENCLAW_CONFIG_PATH, "/etc/openclaw/openclaw.json");
    assert.equal(env.OPENCLAW_CONFIG_READONLY, "1");
    assert.ok(env.OPENCLAW_STATE_DIR?.startsWith("/state/"));
  });
});

describe("pain 11: probes that pass for ever", () => {
  it("asserts the body: one word for each endpoint", () => {
    assert.match(probeCommand("/healthz").join(" "), /port:18789,path:"\/healthz".*"live"/);
    assert.match(probeCommand("/startupz", 1234).join(" "), /port:1234,path:"\/startupz".*"started"/);
  });
});

describe("pain 3: proxy_attribution_required behind an entry", () => {
  const wrong: [string, RegExp][] = [
    ["0.0.0.0/0", /too wide/],
    ["::/0", /too wide/],
    ["10.0.0.0/8", /whole private range/],
    ["10.9.8.7/8", /whole private range/],
    ["172.16.0.0/12", /whole private range/],
    ["192.168.0.0/16", /whole private range/],
    ["100.64.0.0/10", /whole private range/],
    ["fc00::/7", /whole private range/],
    ["fd00::/8", /too wide/],
    ["10.0.0.0/13", /too wide/],
    ["::ffff:10.0.0.0/104", /IPv4 address in IPv6 form/],
    ["ingress-nginx", /neither an IP address nor a CIDR range/],
    ["10.0.0.0/33", /neither/],
    ["10.0.0.0/", /neither/],
    ["10.0.0.0/8/8", /neither/],
  ];
  for (const [range, message] of wrong) {
    it(`does not trust ${range}`, () => assert.throws(() => assertTrustedProxies(["10.1.2.3", range]), message));
  }

  it("trusts addresses and subnets, and names every one that it does not", () => {
    assertTrustedProxies([
      "10.1.2.3",
      "10.244.0.0/16",
      "10.8.0.0/14",
      "192.168.4.0/22",
      "fd12:3456::/48",
      "2001:db8::1",
    ]);
    assert.throws(
      () => assertTrustedProxies(["10.0.0.0/8", "x"], "entry.proxies"),
      /entry\.proxies: 10\.0\.0\.0\/8[\s\S]*"x"/,
    );
  });

  it("never trusts more than 2^18 IPv4 addresses with one range", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, prefix) => {
        if (prefix < 14) assert.throws(() => assertTrustedProxies([`${address}/${prefix}`]), ValidationFailed);
        else if (prefix > 16) assertTrustedProxies([`${address}/${prefix}`]);
      }),
    );
  });
});
