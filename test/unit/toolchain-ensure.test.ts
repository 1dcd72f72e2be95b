import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { NotFound, ValidationFailed } from "../../components/errors";
import {
  doctor,
  ensureTools,
  preparePulumiHome,
  toolSpecs,
  userTools,
  type Tool,
  type ToolName,
} from "../../engine/toolchain/index";

const indexModule = require.resolve("../../engine/toolchain/index");

/** Acts the parts of `go` that the toolchain uses; what it builds says so. */
const fakeGo = (log: string, version: string, seconds: number) => `
case "$1" in
env) printf '${version}\\nlinux\\namd64\\n' ;;
build)
  echo "$*" >> ${log}
  echo example.org/compiled/package >&2
  [ ${seconds} -lt 10 ] || exec sleep ${seconds}
  sleep ${seconds}
  while [ "$1" != -o ]; do shift; done
  out="$2"; shift 2
  for package; do to="$out/$(basename "$package")"; printf '#!/bin/sh\\necho built\\n' > "$to"; chmod +x "$to"; done ;;
esac\n`;

describe("toolchain: ensureTools", function () {
  this.timeout(30_000);
  let dir: string;
  let env: NodeJS.ProcessEnv;
  let lines: string[];
  const options = () => ({ env, log: (line: string) => void lines.push(line) });
  const script = (path: string, body: string) => {
    const file = join(dir, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `#!/bin/sh\nPATH=/usr/bin:/bin\n${body}`);
    chmodSync(file, 0o755);
    return file;
  };
  const prints = (path: string, text: string) => script(path, `echo '${text}'\n`);

  beforeEach(async () => {
    dir = await realpath(await mkdtemp(join(tmpdir(), "toolchain-")));
    lines = [];
    env = {
      PATH: [join(dir, "first"), join(dir, "second")].join(":"),
      HOME: dir,
      CLAWFLEET_CACHE: join(dir, "cache"),
      // A release host that is not there, so that no test reaches a real one.
      CLAWFLEET_MIRROR: "http://no-such-host.invalid",
    };
  });
  afterEach(() => rm(dir, { recursive: true }));

  describe("on PATH", () => {
    it("takes the first program of a version that will do", async () => {
      prints("first/kwok", "kwok version v0.7.0 go1.24 (linux/amd64)");
      const path = prints("second/kwok", "kwok version v0.8.0 go1.26 (linux/amd64)");
      assert.deepEqual((await ensureTools(["kwok"], options())).kwok, {
        name: "kwok",
        version: "0.8.0",
        path,
        source: "path",
      });
      prints("first/kwok", "kwok version v0.8.1 go1.26 (linux/amd64)");
      assert.equal((await ensureTools(["kwok"], options())).kwok.path, join(dir, "first", "kwok"));
      assert.deepEqual(lines, []);
    });

    it("passes over programs that do not answer, npm's links and our own", async () => {
      script("first/kubectl", "exit 1\n");
      prints("node_modules/.bin/kubectl", "Client Version: v1.40.0");
      prints("ours/kubectl", "Client Version: v1.40.0");
      writeFileSync(join(dir, "ours", ".clawfleet-links"), "");
      const path = prints("second/kubectl", "Client Version: v1.31.0");
      env.PATH = [join(dir, "ours"), join(dir, "node_modules/.bin"), env.PATH].join(":");
      assert.equal((await ensureTools(["kubectl"], options())).kubectl.path, path);
    });

    it("takes the language host that lies beside the pulumi found, links resolved", async () => {
      prints("install/pulumi", "v3.265.0");
      const host = prints("install/pulumi-language-nodejs", "");
      mkdirSync(join(dir, "first"));
      symlinkSync(join(dir, "install", "pulumi"), join(dir, "first", "pulumi"));
      const tools = await ensureTools(["pulumi", "pulumi-language-nodejs"], options());
      assert.equal(tools.pulumi.version, "3.265.0");
      assert.deepEqual(tools["pulumi-language-nodejs"], {
        name: "pulumi-language-nodejs",
        version: "3.265.0",
        path: host,
        source: "path",
      });
    });

    it("takes a plugin that Pulumi installed, of that version only and not half-installed", async () => {
      const plugin = (home: string, version: string) =>
        prints(`${home}/plugins/resource-kubernetes-v${version}/pulumi-resource-kubernetes`, "");
      const installed = async () => (await doctor(["pulumi-resource-kubernetes"], options()))[0]?.path;
      plugin(".pulumi", "4.26.0");
      assert.equal(await installed(), undefined);
      const path = plugin(".pulumi", "4.27.0");
      assert.equal(await installed(), path);
      writeFileSync(`${dirname(path)}.partial`, "");
      assert.equal(await installed(), undefined);
      env.PULUMI_HOME = join(dir, "home");
      const other = plugin("home", "4.27.0");
      assert.equal(await installed(), other);
    });
  });

  describe("a build", () => {
    const go = (seconds = 0, version = "go1.26.8") => script("first/go", fakeGo(join(dir, "go.log"), version, seconds));
    const builds = () =>
      existsSync(join(dir, "go.log")) ? readFileSync(join(dir, "go.log"), "utf8").trim().split("\n") : [];

    it("follows at once when nothing can be downloaded, once per module, and is kept", async () => {
      go();
      const began = Date.now();
      const tools = await ensureTools(["pulumi", "etcd", "kubectl", "kwok"], options());
      assert.ok(Date.now() - began < 5_000);
      assert.deepEqual(
        Object.values(tools).map(({ source }) => source),
        ["build", "build", "build", "build"],
      );
      for (const tool of Object.values(tools)) assert.match(readFileSync(tool.path, "utf8"), /built/);
      assert.equal(builds().length, 2);
      assert.match(builds()[0] ?? "", /^build -v -mod=readonly -trimpath .* \S+\/cmd\/pulumi \.\/cmd\/kube$/);
      assert.equal(lines.filter((line) => line.startsWith("no official download of")).length, 1);
      assert.match(
        lines.join("\n"),
        /building pulumi, etcd, kubectl from source: about \d+ min on \d+ cores?, once per machine/,
      );
      lines = [];
      assert.deepEqual(await ensureTools(["pulumi", "etcd", "kubectl", "kwok"], options()), tools);
      assert.deepEqual([builds().length, lines.length], [2, 0]);
    });

    it("adds to a module's programs what is asked for later", async () => {
      go();
      await ensureTools(["etcd"], options());
      await ensureTools(["etcd", "pulumi"], options());
      assert.deepEqual(
        builds().map((line) => line.split(" ").pop()),
        ["./cmd/kube", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"],
      );
    });

    it("is done once when two processes ask at once", async () => {
      go(1);
      const source = `require(${JSON.stringify(indexModule)}).ensureTools(["kwok"]).then(({ kwok }) => console.log(kwok.path))`;
      const children = [0, 1].map(() =>
        spawn(process.execPath, ["-e", source], { env, stdio: ["ignore", "pipe", "pipe"] }),
      );
      const said = children.map((child) => {
        let text = "";
        for (const stream of [child.stdout, child.stderr])
          stream.setEncoding("utf8").on("data", (part: string) => (text += part));
        return () => text;
      });
      assert.deepEqual(
        (await Promise.all(children.map((child) => once(child, "close")))).map(([code]) => code as number),
        [0, 0],
      );
      assert.equal(builds().length, 1);
      assert.ok(
        said.some((text) => /waiting for process \d+ on .*: building kwok/.test(text())),
        said.map((text) => text()).join(),
      );
    });

    it("that is interrupted leaves nothing half-made, and the next one succeeds", async () => {
      go(30);
      const stop = new AbortController();
      const asked = ensureTools(["kwok"], { ...options(), signal: stop.signal });
      const interrupted = assert.rejects(asked, /stopped by the user/);
      while (builds().length === 0) await sleep(20);
      stop.abort(new Error("stopped by the user"));
      await interrupted;
      assert.deepEqual(readdirSync(join(dir, "cache", "build")), []);
      go();
      assert.equal((await ensureTools(["kwok"], options())).kwok.source, "build");
    });

    it("without Go is an error that names each tool and how to get it", async () => {
      env.PATH = join(dir, "first");
      await assert.rejects(ensureTools(["pulumi", "kwok"], options()), (error: Error) => {
        assert.ok(error instanceof NotFound);
        for (const part of [
          /pulumi, kwok can be neither found nor downloaded nor built/,
          /Go 1\.\d+\.\d+ or later is not on PATH/,
        ])
          assert.match(error.message, part);
        for (const name of ["pulumi", "kwok"] as const)
          assert.ok(error.message.includes(`${name}: ${toolSpecs[name].install}`));
        return true;
      });
    });

    it("with a Go that is too old is an error that says which one is needed", async () => {
      go(0, "go1.20.14");
      await assert.rejects(ensureTools(["kwok"], options()), /Go 1\.26\.0 or later is needed, this is go1\.20\.14/);
      script(
        "first/go",
        "echo 'go: go.mod requires go >= 1.26.0 (running go 1.22.0; GOTOOLCHAIN=local)' >&2\nexit 1\n",
      );
      await assert.rejects(
        ensureTools(["kwok"], options()),
        /Go 1\.26\.0 or later is needed.*\n.*requires go >= 1\.26\.0/,
      );
    });

    it("that fails shows Go's last lines", async () => {
      script(
        "first/go",
        `[ "$1" = env ] && printf 'go1.26.8\\nlinux\\namd64\\n' && exit 0\necho 'main.go:1: undefined: x' >&2\nexit 1\n`,
      );
      await assert.rejects(ensureTools(["kwok"], options()), /undefined: x/);
      assert.deepEqual(readdirSync(join(dir, "cache", "build")), []);
    });

    it("is reported by doctor, which does not start it", async () => {
      go();
      const rows = await doctor(["kwok", "helm"], options());
      assert.deepEqual(
        rows.map(({ name }) => name),
        ["kwok", "helm", "node", "go", "cache"],
      );
      assert.equal(rows[0]?.source, "missing");
      assert.match(
        rows[0]?.action ?? "",
        /downloaded 0\.8\.0 on first use, else built kwok from source: about \d+ min.*; or put kwok 0\.8\.0 on PATH/,
      );
      assert.deepEqual([builds(), existsSync(join(dir, "cache"))], [[], false]);
      await ensureTools(["kwok"], options());
      prints("second/helm", "v3.19.0+g1");
      const after = await doctor(["kwok", "helm"], options());
      assert.deepEqual([after[0]?.source, after[0]?.found, after[0]?.action], ["build", "0.8.0", ""]);
      assert.match(after[1]?.action ?? "", /second\/helm is 3\.19\.0; downloaded 4\.3\.1/);
      assert.deepEqual(JSON.parse(JSON.stringify(after)), after);
    });
  });

  describe("a tool that only tests start", () => {
    it("is not downloaded, and whoever misses it is not told of a download", async () => {
      assert.equal(toolSpecs.blocky.official, undefined);
      assert.ok(!userTools.includes("blocky") && userTools.includes("kwok"));
      await assert.rejects(ensureTools(["blocky"], options()), (error: Error) => {
        assert.ok(error instanceof NotFound);
        assert.ok(error.message.includes(`blocky: ${toolSpecs.blocky.install}`));
        assert.doesNotMatch(error.message, /\(download/);
        return true;
      });
      assert.deepEqual(lines, []);
    });

    it("is no row of doctor's, unless it is asked for", async () => {
      const names = (await doctor(undefined, options())).map(({ name }) => name);
      assert.ok(!names.includes("blocky") && names.includes("kwok"));
      const [row] = await doctor(["blocky"], options());
      assert.equal(row?.source, "missing");
      assert.doesNotMatch(row.action, /downloaded/);
    });
  });

  describe("preparePulumiHome", () => {
    const tool = (name: ToolName, path: string, version = toolSpecs[name].version): Tool => ({
      name,
      version,
      path,
      source: "build",
    });

    it("lays plugins and programs out, without links where Pulumi would warn, and may be repeated", async () => {
      const tools = {
        pulumi: tool("pulumi", prints("a/pulumi", "v3.230.0")),
        "pulumi-language-nodejs": tool("pulumi-language-nodejs", prints("b/pulumi-language-nodejs", "")),
        "pulumi-resource-tls": tool("pulumi-resource-tls", prints("c/pulumi-resource-tls", "")),
        kubectl: tool("kubectl", prints("c/kubectl", "Client Version: v1.35.4")),
      };
      const home = join(dir, "home");
      for (let i = 0; i < 2; i++) await preparePulumiHome(home, tools, { env });
      const prepared = await preparePulumiHome(home, tools, { env: { PATH: `${join(home, "bin")}:/usr/bin` } });
      assert.deepEqual(prepared, {
        home,
        binDir: join(home, "bin"),
        env: {
          PULUMI_HOME: home,
          PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
          PULUMI_SKIP_UPDATE_CHECK: "true",
          PATH: `${join(home, "bin")}:/usr/bin`,
        },
      });
      assert.deepEqual(readdirSync(join(home, "bin")), [
        ".clawfleet-links",
        "kubectl",
        "pulumi",
        "pulumi-language-nodejs",
      ]);
      assert.ok(lstatSync(join(home, "bin", "pulumi")).isFile());
      assert.ok(lstatSync(join(home, "bin", "kubectl")).isSymbolicLink());
      const plugin = join(home, "plugins", "resource-tls-v5.6.1");
      assert.ok(lstatSync(plugin).isDirectory());
      assert.deepEqual(readdirSync(plugin), ["pulumi-resource-tls"]);
    });

    it("links an installation that has both the CLI and its language host", async () => {
      const pulumi = tool("pulumi", prints("a/pulumi", "v3.265.0"));
      const host = tool("pulumi-language-nodejs", prints("a/pulumi-language-nodejs", ""));
      const { binDir } = await preparePulumiHome(
        join(dir, "home"),
        { pulumi, "pulumi-language-nodejs": host },
        { env },
      );
      assert.equal(await realpath(join(binDir, "pulumi")), pulumi.path);
    });
  });

  it("has errors of the project's own classes", async () => {
    env.CLAWFLEET_CACHE = "relative";
    await assert.rejects(ensureTools(["kwok"], options()), ValidationFailed);
  });
});
