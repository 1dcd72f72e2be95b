import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { buildKey, describeBuild, linkerFlags } from "../../engine/toolchain/build";
import { cacheDir } from "../../engine/toolchain/context";
import { checksumOf, githubDigestOf } from "../../engine/toolchain/download";
import { moduleHash, pinned } from "../../engine/toolchain/manifests";
import { duration } from "../../engine/toolchain/progress";
import { toolSpecs } from "../../engine/toolchain/tools";
import { compareVersions, describeRange, findVersion, inRange } from "../../engine/toolchain/version";

const sum = "0123456789abcdef".repeat(4);

describe("toolchain: versions", () => {
  it("orders versions by number, and a pre-release before its release", () => {
    const sorted = ["3.24.0", "3.224.0-alpha.1", "v3.224.0", "3.224.1", "3.1000.0", "4.0.0"];
    assert.deepEqual([...sorted].reverse().sort(compareVersions), sorted);
  });

  it("accepts any pulumi from 3.224 on, and only the plugin version that the npm SDK asks for", () => {
    const accepts = (name: "pulumi" | "pulumi-resource-tls" | "kube-apiserver" | "kubectl", version: string) =>
      inRange(version, toolSpecs[name].accepts);
    assert.deepEqual(
      ["3.223.9", "3.224.0", "v3.265.0", "4.0.0-alpha"].map((v) => accepts("pulumi", v)),
      [false, true, true, false],
    );
    assert.deepEqual(
      ["5.6.0", "5.6.1", "5.6.2-beta", "5.6.2"].map((v) => accepts("pulumi-resource-tls", v)),
      [false, true, false, false],
    );
    assert.deepEqual(
      ["1.34.9", "1.35.0", "1.36.0"].map((v) => accepts("kube-apiserver", v)),
      [false, true, false],
    );
    assert.deepEqual(
      ["1.28.4", "1.29.0", "1.40.0"].map((v) => accepts("kubectl", v)),
      [false, true, true],
    );
  });

  it("says a range in words", () => {
    assert.equal(describeRange(toolSpecs.pulumi.accepts), "3.224.0 or later");
    assert.equal(describeRange(toolSpecs["pulumi-resource-random"].accepts), "4.21.2");
    assert.equal(describeRange(toolSpecs.etcd.accepts), "3.6.0 up to 3.7.0");
  });

  for (const [output, version] of [
    ["v3.230.0\n", "3.230.0"],
    ["Kubernetes v1.35.4\n", "1.35.4"],
    ["etcd Version: 3.6.8\nGit SHA: abc\nGo Version: go1.26.8\n", "3.6.8"],
    ["kwok version v0.8.0 go1.26.8 (linux/amd64)\n", "0.8.0"],
    ["Client Version: v1.35.4\nKustomize Version: v5.7.1\n", "1.35.4"],
    ["v4.3.1+g1234567\n", "4.3.1"],
    ["go1.26.8", undefined],
    ["usage: etcd", undefined],
  ] as const)
    it(`reads ${version ?? "no version"} from ${JSON.stringify(output)}`, () =>
      assert.equal(findVersion(output), version));
});

describe("toolchain: checksums", () => {
  it("reads a bare sum, sha256sum's and BSD's lines, and only the named file's", () => {
    assert.equal(checksumOf(`${sum}\n`, "etcd"), sum);
    const other = sum.replaceAll("0", "f");
    assert.equal(checksumOf(`${other}  etcd.zip\n${sum.toUpperCase()}  etcd.tar.gz\n`, "etcd.tar.gz"), sum);
    assert.equal(checksumOf(`${other} *a\n${sum} *./etcd\n`, "etcd"), sum);
    assert.equal(checksumOf(`SHA256 (etcd) = ${sum}\n`, "etcd"), sum);
  });

  it("finds none in lines of other files, in shorter sums and in an error page", () => {
    for (const text of [`${sum}  etcd.zip\n`, sum.slice(1), `${sum}\n${sum}\n`, "<html>404</html>", ""])
      assert.equal(checksumOf(text, "etcd"), undefined);
  });

  it("reads GitHub's digest of an asset, and none of another algorithm or of a broken answer", () => {
    const release = (digest: unknown) => JSON.stringify({ assets: [{ name: "other" }, { name: "kwok", digest }] });
    assert.equal(githubDigestOf(release(`sha256:${sum}`), "kwok"), sum);
    for (const text of [release(`sha512:${sum}`), release(null), release(sum), "{}", "[]", "no json"])
      assert.equal(githubDigestOf(text, "kwok"), undefined);
  });
});

describe("toolchain: cache keys", () => {
  const go = { version: "go1.26.8", os: "linux", arch: "amd64" };
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "toolchain-"));
    await mkdir(join(dir, "cmd"));
    await writeFile(join(dir, "go.mod"), "module m\n");
    await writeFile(join(dir, "go.sum"), "");
    await writeFile(join(dir, "cmd", "main.go"), "package main\n");
  });
  afterEach(() => rm(dir, { recursive: true }));

  it("changes with every source, the Go version, the platform and the linker's flags", async () => {
    const keys = [await buildKey(dir, go, "-s")];
    keys.push(await buildKey(dir, { ...go, version: "go1.27.0" }, "-s"));
    keys.push(await buildKey(dir, { ...go, os: "darwin" }, "-s"));
    keys.push(await buildKey(dir, { ...go, arch: "arm64" }, "-s"));
    keys.push(await buildKey(dir, go, "-s -w"));
    for (const file of ["go.mod", "go.sum", "cmd/main.go", "cmd/new.go"]) {
      await writeFile(join(dir, file), "changed");
      keys.push(await buildKey(dir, go, "-s"));
    }
    assert.equal(new Set(keys).size, keys.length);
  });

  it("does not change with generated and other files", async () => {
    const key = await buildKey(dir, go, "-s");
    await writeFile(join(dir, "cmd", "schema.json"), "{}");
    await writeFile(join(dir, "README.md"), "hello");
    assert.equal(await buildKey(dir, go, "-s"), key);
  });

  it("stamps the versions of the table", () => {
    const flags = linkerFlags("toolchain");
    for (const stamp of [
      `common/version.Version=v${toolSpecs.pulumi.version}`,
      `gitVersion=v${toolSpecs.kubectl.version}`,
      "gitMinor=35",
    ])
      assert.ok(flags.includes(stamp), stamp);
  });
});

describe("toolchain: words", () => {
  it("takes the cache from CLAWFLEET_CACHE, XDG_CACHE_HOME or the home folder", () => {
    assert.equal(cacheDir({ CLAWFLEET_CACHE: "/c", XDG_CACHE_HOME: "/x", HOME: "/h" }), "/c");
    assert.equal(cacheDir({ XDG_CACHE_HOME: "/x", HOME: "/h" }), join("/x", "clawfleet"));
    assert.equal(cacheDir({ XDG_CACHE_HOME: "relative", HOME: "/h" }), join("/h", ".cache", "clawfleet"));
    assert.throws(
      () => cacheDir({ CLAWFLEET_CACHE: "relative" }),
      /CLAWFLEET_CACHE: "relative" is not an absolute path/,
    );
  });

  it("counts the programs of one binary once when it says how long a build takes", () => {
    assert.match(
      describeBuild(["kube-apiserver"], 2),
      /^kube-apiserver from source: about (\d+) min on 2 cores, once per machine$/,
    );
    const minutes = (text: string) => Number(/about (\d+) min/.exec(text)?.[1]);
    assert.equal(minutes(describeBuild(["etcd", "kubectl"], 2)), minutes(describeBuild(["etcd"], 2)));
    assert.ok(minutes(describeBuild(["pulumi", "etcd"], 2)) > minutes(describeBuild(["etcd"], 2)));
    assert.ok(minutes(describeBuild(["etcd"], 1)) > minutes(describeBuild(["etcd"], 4)));
  });

  it("writes durations", () => {
    assert.deepEqual([3_210, 45_400, 725_000].map(duration), ["3.2 s", "45 s", "12 min 5 s"]);
  });
});

describe("toolchain: manifests without Go", () => {
  it("finds a module's pin in go.sum", () => {
    const text = "example.org/a v1.2.3/go.mod h1:no=\nexample.org/a v1.2.3 h1:yes=\nexample.org/ab v9.0.0 h1:other=\n";
    assert.deepEqual(pinned(text, "example.org/a"), { version: "v1.2.3", hash: "h1:yes=" });
    assert.throws(() => pinned(text, "example.org/b"), /example.org\/b is not in go.sum/);
  });

  it("hashes a module's files as go.sum does, without nested modules and vendored packages", async () => {
    const dir = await mkdtemp(join(tmpdir(), "toolchain-"));
    try {
      await writeFile(join(dir, "go.mod"), "module example.org/a\n");
      await writeFile(join(dir, "a.txt"), "hello\n");
      // What golang.org/x/mod's dirhash.HashDir gives for these two files.
      const alone = "h1:VomXw9tY9ovZM7DBQWqw8sU68jgepsffB7oiHY5dZ/8=";
      assert.equal(await moduleHash(dir, "example.org/a@v1.0.0"), alone);
      for (const folder of ["nested", "vendor"]) {
        await mkdir(join(dir, folder));
        await writeFile(join(dir, folder, "go.mod"), "module nested\n");
      }
      assert.equal(await moduleHash(dir, "example.org/a@v1.0.0"), alone);
      await writeFile(join(dir, "b.txt"), "");
      assert.notEqual(await moduleHash(dir, "example.org/a@v1.0.0"), alone);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
