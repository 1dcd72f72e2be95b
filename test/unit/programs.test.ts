import assert from "node:assert/strict";

import { parseUris, rootName } from "../../engine/programs/debian";
import { offline } from "../../engine/programs/offline";
import { environmentName } from "../../engine/programs/python";

describe("programs: Debian packages", () => {
  const output = [
    "Reading package lists...",
    "'http://archive.example/pool/main/n/nats-server/nats-server_2.9.10-1%2bb3_amd64.deb' nats-server_2.9.10-1+b3_amd64.deb 3644664 MD5Sum:6c79",
    "'http://archive.example/pool/r/redis-tools_7.0.15_amd64.deb' redis-tools_5%3a7.0.15-1~deb12u10_amd64.deb 991988 ",
    "'http://archive.example/pool/g/libc6_2.36-9_amd64.deb' libc6_2.36-9_amd64.deb 1 ",
    "'http://archive.example/pool/s/squid-common_5.7-2_all.deb' squid-common_5.7-2_all.deb 1 ",
  ].join("\n");

  it("reads what apt would fetch, with epochs, and leaves the machine its own C library", () => {
    assert.deepEqual(parseUris(output), [
      { name: "nats-server", version: "2.9.10-1+b3", architecture: "amd64" },
      { name: "redis-tools", version: "5:7.0.15-1~deb12u10", architecture: "amd64" },
      { name: "squid-common", version: "5.7-2", architecture: "all" },
    ]);
    assert.deepEqual(parseUris(""), []);
  });

  it("keys a folder by every resolved version, in no particular order", () => {
    const [a, b] = parseUris(output);
    assert.ok(a !== undefined && b !== undefined);
    const key = rootName(["b", "a"], [a, b]);
    assert.match(key, /^a-[0-9a-f]{16}$/);
    assert.equal(rootName(["a", "b"], [b, a]), key);
    assert.notEqual(rootName(["a", "b"], [a, { ...b, version: "5:7.0.16" }]), key);
    assert.notEqual(rootName(["a", "b"], [a, { ...b, architecture: "arm64" }]), key);
  });
});

describe("programs: Python packages", () => {
  it("keys an environment by Python and by every pinned version", () => {
    const key = environmentName("litellm", "3.11 linux-x86_64", "litellm==1.0.0\n");
    assert.match(key, /^litellm-[0-9a-f]{16}$/);
    assert.notEqual(environmentName("litellm", "3.12 linux-x86_64", "litellm==1.0.0\n"), key);
    assert.notEqual(environmentName("litellm", "3.11 linux-x86_64", "litellm==1.0.1\n"), key);
  });
});

describe("programs: a package manager's failure", () => {
  for (const [output, sign] of [
    ["E: Failed to fetch http://x  Could not connect to 127.0.0.1:1 (127.0.0.1). - connect (111)", "Could not connect"],
    ["  Temporary failure resolving 'archive.example'", "Temporary failure"],
    ["error: Failed to fetch: `https://x/`\n  Caused by: dns error", "dns error"],
    ["ERROR: No matching distribution found for nothing==1.0.0", undefined],
  ] as const) {
    it(`is ${sign === undefined ? "not " : ""}taken for nobody answering: ${output.slice(0, 40)}`, () =>
      assert.equal(offline(output), sign));
  }
});
