import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { NotFound, Timeout, Unreachable, ValidationFailed } from "../../components/errors";
import { context, platform, type Context } from "../../engine/toolchain/context";
import { ReleaseHosts } from "../../engine/toolchain/download";
import { ensureTools } from "../../engine/toolchain/ensure";
import { archiveFiles } from "../../engine/toolchain/manifests";
import { downloadOfficial, officialPath } from "../../engine/toolchain/official";
import type { Release, ToolName } from "../../engine/toolchain/tools";

const sha256 = (content: Buffer | string) => createHash("sha256").update(content).digest("hex");
const { os, arch } = platform();
const program = "#!/bin/sh\necho 'Kubernetes v1.35.4'\n";

/** A stand-in for the release hosts, used through CLAWFLEET_MIRROR. */
describe("toolchain: official downloads", function () {
  this.timeout(30_000);
  let server: Server;
  let dir: string;
  let ctx: Context;
  let lines: string[];
  let requests: string[];
  let answers: Record<string, RequestListener | Buffer | string>;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "toolchain-"));
    [lines, requests, answers] = [[], [], {}];
    server = createServer((request, response) => {
      const path = (request.url ?? "").replace(/^\/mirror\//, "");
      requests.push(path);
      const answer = answers[path];
      if (typeof answer === "function") answer(request, response);
      else if (answer === undefined) response.writeHead(404).end();
      else response.end(answer);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mirror/`;
    const env = { PATH: "/usr/bin:/bin", HOME: dir, CLAWFLEET_CACHE: join(dir, "cache"), CLAWFLEET_MIRROR: mirror };
    ctx = context({ env, log: (line) => void lines.push(line) });
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await rm(dir, { recursive: true });
  });

  const apiserver = `dl.k8s.io/release/v1.35.4/bin/${os}/${arch}/kube-apiserver`;
  const download = async (name: ToolName, patience = { resolve: 2_000, silence: 400 }) => {
    const reasons = new Map<ToolName, string>();
    const tool = await downloadOfficial(name, undefined, new ReleaseHosts(ctx, patience), reasons, ctx);
    return { tool, reason: reasons.get(name) };
  };
  const left = () => (existsSync(join(dir, "cache", "download")) ? readdirSync(join(dir, "cache", "download")) : []);

  it("keeps a verified program, executable, and does not download it twice", async () => {
    answers = { [apiserver]: program, [`${apiserver}.sha256`]: sha256(program) };
    const { tool } = await download("kube-apiserver");
    assert.deepEqual([tool?.version, tool?.source], ["1.35.4", "download"]);
    assert.equal(readFileSync(tool?.path ?? "", "utf8"), program);
    assert.equal(statSync(tool?.path ?? "").mode & 0o111, 0o111);
    assert.deepEqual(left(), [`kube-apiserver-1.35.4-${os}-${arch}`]);
    const count = requests.length;
    const again = await ensureTools(["kube-apiserver"], { env: ctx.env, log: ctx.log });
    assert.deepEqual([again["kube-apiserver"], requests.length], [tool, count]);
  });

  it("is an error that names both sums when the checksum differs, and keeps nothing", async () => {
    answers = { [apiserver]: "something else", [`${apiserver}.sha256`]: sha256(program) };
    await assert.rejects(download("kube-apiserver"), (error: Error) => {
      assert.ok(error instanceof ValidationFailed);
      for (const part of [sha256(program), sha256("something else"), "/kube-apiserver"])
        assert.ok(error.message.includes(part), part);
      return true;
    });
    assert.deepEqual(left(), []);
  });

  it("stops ensureTools on a wrong checksum instead of building", async () => {
    answers = { [apiserver]: "something else", [`${apiserver}.sha256`]: sha256(program) };
    await assert.rejects(ensureTools(["kube-apiserver"], { env: ctx.env, log: ctx.log }), ValidationFailed);
    assert.ok(!lines.some((line) => line.includes("building")), lines.join("\n"));
  });

  it("falls back after a truncated download", async () => {
    answers = {
      [apiserver]: (_request, response) => {
        response.writeHead(200, { "content-length": 10_000 });
        response.write("half", () => response.destroy());
      },
      [`${apiserver}.sha256`]: sha256(program),
    };
    const { tool, reason } = await download("kube-apiserver");
    assert.equal(tool, undefined);
    assert.match(reason ?? "", /kube-apiserver: the connection failed or broke off/);
    assert.deepEqual(left(), []);
  });

  it("falls back when the release or its checksum is not there", async () => {
    assert.match((await download("kube-apiserver")).reason ?? "", /kube-apiserver\.sha256: answered 404/);
    answers = { [`${apiserver}.sha256`]: sha256(program) };
    assert.match((await download("kube-apiserver")).reason ?? "", /kube-apiserver: answered 404/);
    answers = { [apiserver]: program, [`${apiserver}.sha256`]: "<html>not a sum</html>" };
    assert.match((await download("kube-apiserver")).reason ?? "", /no SHA-256 of kube-apiserver is published/);
  });

  it("times out on a host that hangs, and does not ask it again for the next tool", async () => {
    answers = { [`${apiserver}.sha256`]: () => undefined };
    const hosts = new ReleaseHosts(ctx, { resolve: 2_000, silence: 200 });
    const reasons = new Map<ToolName, string>();
    const began = Date.now();
    for (const name of ["kube-apiserver", "kube-scheduler"] as const)
      assert.equal(await downloadOfficial(name, undefined, hosts, reasons, ctx), undefined);
    assert.ok(Date.now() - began < 2_000);
    assert.match(reasons.get("kube-apiserver") ?? "", /no byte within 0.2 s/);
    assert.match(reasons.get("kube-scheduler") ?? "", /no byte within 0.2 s/);
    assert.equal(requests.length, 1);
  });

  it("times out when a download stalls half-way", async () => {
    answers = {
      [apiserver]: (_request, response) => void response.write("half"),
      [`${apiserver}.sha256`]: sha256(program),
    };
    const { reason } = await download("kube-apiserver", { resolve: 2_000, silence: 200 });
    assert.match(reason ?? "", /no byte within 0.2 s/);
    assert.deepEqual(left(), []);
  });

  it("gives up on a name that can't be resolved within a second, asking once", async () => {
    const hosts = new ReleaseHosts({ env: { CLAWFLEET_MIRROR: "http://no-such-host.invalid" }, signal: undefined });
    const release: Release = {
      url: "https://dl.k8s.io/x",
      checksum: { kind: "file", url: "https://dl.k8s.io/x.sha256" },
    };
    const began = Date.now();
    for (let i = 0; i < 3; i++) await assert.rejects(hosts.file(release, join(dir, "x")), Unreachable);
    assert.ok(Date.now() - began < 2_500);
  });

  it("stops at once when aborted", async () => {
    const stop = new AbortController();
    answers = { [`${apiserver}.sha256`]: () => stop.abort(new Error("stopped by the user")) };
    ctx = { ...ctx, signal: stop.signal };
    await assert.rejects(download("kube-apiserver"), /stopped by the user/);
    assert.deepEqual(left(), []);
  });

  it("takes a program out of a verified archive", async () => {
    const name = `etcd-v3.6.8-${os}-${arch}`;
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, "etcd"), "#!/bin/sh\n");
    const archive = os === "linux" ? `${name}.tar.gz` : `${name}.zip`;
    execFileSync("tar", ["-C", dir, ...(os === "linux" ? ["-czf"] : ["-a", "-cf"]), join(dir, archive), name]);
    const base = "github.com/etcd-io/etcd/releases/download/v3.6.8";
    const content = readFileSync(join(dir, archive));
    answers = {
      [`${base}/${archive}`]: content,
      [`${base}/SHA256SUMS`]: `${sha256("")}  other\n${sha256(content)}  ${archive}\n`,
    };
    const { tool, reason } = await download("etcd");
    assert.equal(reason, undefined);
    assert.equal(readFileSync(tool?.path ?? "", "utf8"), "#!/bin/sh\n");
  });

  it("verifies kwok with GitHub's digest, since it publishes no checksum file", async () => {
    const file = `kwok-${os}-${arch}`;
    answers = {
      [`github.com/kubernetes-sigs/kwok/releases/download/v0.8.0/${file}`]: program,
      "api.github.com/repos/kubernetes-sigs/kwok/releases/tags/v0.8.0": JSON.stringify({
        assets: [{ name: file, digest: `sha256:${sha256(program)}` }],
      }),
    };
    assert.equal((await download("kwok")).tool?.path, officialPath("kwok", ctx).program);
  });

  it("takes manifests from a source archive that hashes to what go.sum says, without Go", async () => {
    const archive = (text: string) => {
      mkdirSync(join(dir, "a-1.0.0"), { recursive: true });
      writeFileSync(join(dir, "a-1.0.0", "go.mod"), "module example.org/a\n");
      writeFileSync(join(dir, "a-1.0.0", "a.txt"), text);
      execFileSync("tar", ["-C", dir, "-czf", join(dir, "a.tar.gz"), "a-1.0.0"]);
      answers["github.com/example/a/archive/refs/tags/v1.0.0.tar.gz"] = readFileSync(join(dir, "a.tar.gz"));
    };
    writeFileSync(join(dir, "go.sum"), "example.org/a v1.0.0 h1:VomXw9tY9ovZM7DBQWqw8sU68jgepsffB7oiHY5dZ/8=\n");
    const source = { pinnedBy: "", module: "example.org/a", repository: "example/a" };
    archive("changed\n");
    await assert.rejects(archiveFiles(source, dir, ctx), /but go\.sum has h1:VomXw9tY/);
    assert.deepEqual(left(), []);
    archive("hello\n");
    const folder = await archiveFiles(source, dir, ctx);
    assert.equal(readFileSync(join(folder, "a.txt"), "utf8"), "hello\n");
    assert.equal(await archiveFiles(source, dir, ctx), folder);
    assert.equal(requests.length, 2);
  });

  it("tells a missing release, a broken connection and a hanging one apart", async () => {
    answers = { hang: () => undefined, broken: (request) => request.socket.destroy() };
    const hosts = () => new ReleaseHosts(ctx, { resolve: 2_000, silence: 200 });
    await assert.rejects(hosts().text("https://absent"), NotFound);
    await assert.rejects(hosts().text("https://broken"), Unreachable);
    await assert.rejects(hosts().text("https://hang"), Timeout);
  });
});

/** What the npm package and `pulumi plugin install` do is acted by scripts; get.pulumi.com itself is not reached in tests. */
describe("toolchain: Pulumi's own installers", function () {
  this.timeout(30_000);
  let dir: string;
  let ctx: Context;
  const reachable = { unusable: () => Promise.resolve(undefined) } as unknown as ReleaseHosts;
  const script = (name: string, body: string) => {
    const path = join(dir, "bin", name);
    mkdirSync(join(dir, "bin"), { recursive: true });
    writeFileSync(path, `#!/bin/sh\nset -e\n${body}`);
    chmodSync(path, 0o755);
    return path;
  };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "toolchain-"));
    const env = { PATH: `${join(dir, "bin")}:/usr/bin:/bin`, HOME: dir, CLAWFLEET_CACHE: join(dir, "cache") };
    ctx = context({ env, log: () => undefined });
  });
  afterEach(() => rm(dir, { recursive: true }));

  it("gets the CLI and its language host by running the npm package with the pinned version", async () => {
    script(
      "npm",
      `echo "$@" > ${join(dir, "asked")}
bin="$PULUMI_HOME/versions/$PULUMI_VERSION/bin"; mkdir -p "$bin"
for p in pulumi pulumi-language-nodejs; do printf '#!/bin/sh\\n' > "$bin/$p"; chmod +x "$bin/$p"; done\n`,
    );
    const tool = await downloadOfficial("pulumi", undefined, reachable, new Map(), ctx);
    assert.equal(tool?.source, "download");
    assert.match(
      readFileSync(join(dir, "asked"), "utf8"),
      /^exec --yes --package=pulumi@3\.\d+\.\d+ -- pulumi version\n$/,
    );
    await rm(join(dir, "bin", "npm"));
    const host = await downloadOfficial("pulumi-language-nodejs", undefined, reachable, new Map(), ctx);
    assert.equal(host?.path, tool?.path.replace(/pulumi$/, "pulumi-language-nodejs"));
  });

  it("lets pulumi install a plugin, and says why when it can't", async () => {
    const path = script(
      "pulumi",
      `[ "$*" = "plugin install resource tls 5.6.1" ]
to="$PULUMI_HOME/plugins/resource-tls-v5.6.1"; mkdir -p "$to"; printf '#!/bin/sh\\n' > "$to/pulumi-resource-tls"; chmod +x "$to"/*\n`,
    );
    const pulumi = { name: "pulumi", version: "3.230.0", path, source: "path" } as const;
    const tool = await downloadOfficial("pulumi-resource-tls", pulumi, reachable, new Map(), ctx);
    assert.deepEqual([tool?.version, tool?.path], ["5.6.1", officialPath("pulumi-resource-tls", ctx).program]);
    const reasons = new Map<ToolName, string>();
    assert.equal(await downloadOfficial("pulumi-resource-random", pulumi, reachable, reasons, ctx), undefined);
    assert.match(reasons.get("pulumi-resource-random") ?? "", /ended with exit 1/);
  });
});
