import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { NotFound, Unreachable } from "../../components/errors";
import { debianPrograms, unprivileged } from "../../engine/programs/debian";
import { pythonPrograms } from "../../engine/programs/python";

/** Real package managers, each with a package of some kilobytes. */
describe("programs of packages", function () {
  this.timeout(180_000);
  const env = { ...process.env };
  let folder = "";
  let lines: string[] = [];
  const progress = (line: string) => void lines.push(line);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "clawfleet-programs-"));
  });
  beforeEach(() => {
    process.env.CLAWFLEET_CACHE = join(folder, "cache");
    lines = [];
  });
  afterEach(() => {
    for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
    Object.assign(process.env, env);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  describe("of Debian", () => {
    before(function () {
      if (!existsSync("/usr/bin/apt-get")) this.skip();
    });

    it("are unpacked once, also when asked for twice at once, and started with their libraries", async () => {
      const [first, second] = await Promise.all([
        debianPrograms(["hello"], progress),
        debianPrograms(["hello"], progress),
      ]);
      assert.equal(second.root, first.root);
      assert.equal(lines.filter((line) => line.startsWith("fetching hello")).length, 1);
      assert.equal(execFileSync(first.path("hello"), { env: first.env, encoding: "utf8" }), "Hello, world!\n");
      assert.ok(existsSync(first.file("/usr/share/doc/hello/copyright")));
      assert.throws(
        () => first.path("no-such-program"),
        (error) => error instanceof NotFound && error.message.includes("hello"),
      );
    });

    it("are taken from the machine when it has them", async () => {
      const { root, path } = await debianPrograms(["coreutils"], progress);
      assert.equal(root, "");
      assert.equal(path("ls"), "/usr/bin/ls");
      assert.deepEqual(lines, []);
    });

    it("that the distribution lacks are not found", async () => {
      await assert.rejects(debianPrograms(["clawfleet-no-such-package"], progress), (error) => {
        assert.ok(error instanceof NotFound);
        assert.match(error.message, /clawfleet-no-such-package/);
        return true;
      });
    });

    it("say that no archive answers", async () => {
      process.env.CLAWFLEET_CACHE = join(folder, "offline");
      process.env.http_proxy = process.env.https_proxy = "http://127.0.0.1:1";
      await assert.rejects(debianPrograms(["hello"], progress), Unreachable);
    });

    it("that refuse root find an ordinary user", () => {
      const [program, args] = unprivileged("id", ["-u"]);
      assert.notEqual(execFileSync(program, args, { encoding: "utf8" }).trim(), "0");
    });
  });

  it("are those on PATH where there is no apt", async () => {
    const bin = join(folder, "bin");
    await mkdir(bin);
    await writeFile(join(bin, "broker"), "#!/bin/sh\n");
    await chmod(join(bin, "broker"), 0o755);
    process.env.PATH = bin;
    const { path } = await debianPrograms(["broker-package"], progress);
    assert.equal(path("broker"), join(bin, "broker"));
  });

  describe("of Python", () => {
    const requirements = async (content: string) => writeFile(join(folder, "tiny.txt"), content);

    it("are installed once per content of the file", async () => {
      await requirements("cowsay==6.1\n");
      const [first, second] = await Promise.all([
        pythonPrograms("tiny", progress, folder),
        pythonPrograms("tiny", progress, folder),
      ]);
      assert.equal(second.root, first.root);
      assert.equal(lines.filter((line) => line.startsWith("installing tiny")).length, 1);
      const said = execFileSync(first.path("cowsay"), ["-t", "moo"], { env: first.env, encoding: "utf8" });
      assert.match(said, /moo/);
      assert.throws(() => first.path("no-such-program"), NotFound);
    });

    it("say that no index answers, and leave nothing half-made", async () => {
      await requirements("cowsay==6.0\n");
      const nobody = "http://127.0.0.1:1";
      Object.assign(process.env, { HTTPS_PROXY: nobody, HTTP_PROXY: nobody, https_proxy: nobody, http_proxy: nobody });
      await assert.rejects(pythonPrograms("tiny", progress, folder), Unreachable);
      delete process.env.HTTPS_PROXY;
      await assert.rejects(pythonPrograms("no-such-file", progress, folder), /ENOENT/);
    });
  });
});
