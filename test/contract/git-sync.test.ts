import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gitHost } from "../support/git-http";
import { git, SyncedVault } from "../support/git-sync";
import { commandLines } from "../support/processes";

describe("contract of git-sync with the real git", function () {
  this.timeout(90_000);
  let synced: SyncedVault;

  beforeEach(() => {
    synced = new SyncedVault();
  });
  afterEach(() => synced.dispose());

  describe("the first start", () => {
    it("waits while vault and repository are both empty, then pushes the first note", async () => {
      synced.start();
      await synced.round();
      synced.write("first.md", "hello\n");
      await synced.until("the push", () => synced.pushed("first.md") === "hello\n");
    });

    it("fills an empty vault from the repository", async () => {
      synced.personPushes({ "plan.md": "plan\n" });
      synced.start();
      await synced.until("the check-out", () => synced.read("plan.md") === "plan\n");
      assert.ok(!existsSync(join(synced.vault, ".git")), "the repository has to be out of the gateway's reach");
    });

    it("merges notes that exist with a repository that has another history", async () => {
      synced.personPushes({ "theirs.md": "theirs\n" });
      synced.write("mine.md", "mine\n");
      synced.start();
      await synced.until("the merge", () => synced.pushedFiles().join() === "mine.md,theirs.md");
      assert.equal(synced.read("theirs.md"), "theirs\n");
    });
  });

  describe("later rounds", () => {
    beforeEach(async () => {
      synced.personPushes({ "a.md": "a\n", "b.md": "b\n", "same.md": "1\n2\n3\n" });
      synced.start();
      await synced.until("the check-out", () => synced.read("a.md") === "a\n");
      await synced.round();
      synced.personPulls();
    });

    it("takes over edits of different files from both sides", async () => {
      synced.personPushes({ "a.md": "a by a person\n" });
      synced.write("b.md", "b by an agent\n");
      await synced.until(
        "the merge",
        () => synced.read("a.md") === "a by a person\n" && synced.pushed("b.md") === "b by an agent\n",
      );
      assert.equal(synced.pushed("a.md"), "a by a person\n");
    });

    it("keeps the vault's version of a line that both changed, and the other one in the history", async () => {
      await whileStopped(() => {
        synced.personPushes({ "same.md": "1\nby a person\n3\n" });
        synced.write("same.md", "1\nby an agent\n3\n");
      });
      await synced.until("the push", () => synced.pushed("same.md") === "1\nby an agent\n3\n");
      assert.equal(synced.read("same.md"), "1\nby an agent\n3\n");
      const versions = git(synced.remote, "log", "--full-history", "--format=%H", "main", "--", "same.md")
        .trim()
        .split("\n");
      const texts = versions.map((commit) => git(synced.remote, "show", `${commit}:same.md`));
      assert.ok(texts.includes("1\nby a person\n3\n"), "the person's version is lost");
    });

    it("keeps what was edited here and deleted there", async () => {
      await whileStopped(() => {
        synced.personPushes({ "a.md": undefined });
        synced.write("a.md", "a, still needed\n");
      });
      await synced.until("the push", () => synced.pushed("a.md") === "a, still needed\n");
      assert.equal(synced.read("a.md"), "a, still needed\n");
    });

    it("brings back what was deleted here and edited there", async () => {
      await whileStopped(() => {
        synced.personPushes({ "a.md": "a, still needed\n" });
        rmSync(join(synced.vault, "a.md"));
      });
      await synced.until("the merge", () => synced.read("a.md") === "a, still needed\n");
      assert.equal(synced.pushed("a.md"), "a, still needed\n");
    });

    it("takes over deletions from both sides", async () => {
      synced.personPushes({ "a.md": undefined });
      rmSync(join(synced.vault, "b.md"));
      await synced.until("the push", () => synced.pushedFiles().join() === "same.md");
      assert.ok(!existsSync(join(synced.vault, "a.md")));
    });

    it("goes on while the repository cannot be reached, and catches up", async () => {
      renameSync(synced.remote, `${synced.remote}.away`);
      synced.write("offline.md", "written offline\n");
      await synced.round("not in step");
      const alive = statSync(join(synced.home, "alive")).mtimeMs;
      await synced.round("not in step");
      assert.ok(statSync(join(synced.home, "alive")).mtimeMs > alive, "the liveness probe would restart the Pod");
      renameSync(`${synced.remote}.away`, synced.remote);
      await synced.until("the push", () => synced.pushed("offline.md") === "written offline\n");
    });

    async function whileStopped(change: () => void): Promise<void> {
      await synced.stop();
      change();
      synced.start();
    }
  });

  it("recovers when the repository moves between fetch and push", async () => {
    synced.personPushes({ "a.md": "a\n" });
    const bin = join(synced.root, "bin");
    const raced = join(synced.root, "raced");
    writeWrapper(bin, raced);
    synced.write("mine.md", "mine\n");
    synced.start({ PATH: `${bin}:${process.env.PATH ?? ""}` });
    await synced.until("the second push", () => synced.pushedFiles().join() === "a.md,mine.md,race.md");
    assert.ok(existsSync(raced));
    assert.match(synced.log, /not in step, next try/);
    assert.equal(synced.read("race.md"), "in between\n");
  });

  it("does a last round on SIGTERM and ends", async () => {
    synced.write("a.md", "a\n");
    synced.start({ GIT_INTERVAL: "3600" });
    await synced.until("the first round", () => synced.pushed("a.md") === "a\n");
    synced.write("last.md", "written before the Pod went\n");
    const begin = Date.now();
    assert.equal(await synced.stop(), 0);
    assert.ok(Date.now() - begin < 15_000, "slower than any grace period should need");
    assert.equal(synced.pushed("last.md"), "written before the Pod went\n");
  });

  it("starts again after git was killed in the middle", async () => {
    synced.write("a.md", "a\n");
    synced.start();
    await synced.round();
    await synced.stop();
    writeFileSync(join(synced.gitDir, "index.lock"), "");
    writeFileSync(join(synced.gitDir, "refs/heads/main.lock"), "");
    synced.write("b.md", "b\n");
    synced.start();
    await synced.until("the push", () => synced.pushed("b.md") === "b\n");
  });

  it("runs no program of a repository that an agent puts into the vault", async () => {
    const trap = join(synced.root, "trap");
    const sprung = join(synced.root, "sprung");
    writeFileSync(trap, `#!/bin/sh\ntouch ${sprung}\n`);
    chmodSync(trap, 0o755);
    for (const folder of [synced.vault, join(synced.vault, "project [1]"), join(synced.vault, "empty")]) {
      git(synced.root, "init", "-q", folder);
      git(folder, "config", "core.fsmonitor", trap);
      for (const hook of ["pre-commit", "post-commit", "post-checkout", "post-merge", "pre-push"]) {
        writeFileSync(join(folder, ".git/hooks", hook), readFileSync(trap), { mode: 0o755 });
      }
    }
    synced.write("project [1]/code.md", "code\n");
    git(join(synced.vault, "project [1]"), "-c", "core.fsmonitor=false", "add", "-A");
    git(join(synced.vault, "project [1]"), "-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "code");
    rmSync(sprung, { force: true });
    synced.write("note.md", "note\n");
    synced.start();
    await synced.until("the push", () => synced.pushed("note.md") === "note\n");
    await synced.round();
    assert.deepEqual(synced.pushedFiles(), ["note.md"]);
    assert.ok(!existsSync(sprung), "git ran what the vault's repository told it to");
  });

  describe("pain 14: secrets in ConfigMaps or on command lines", () => {
    it("authenticates with a credential that is in no argument, file, URL or log", async () => {
      const password = "canary-git-password";
      const seen = new Set<string>();
      const host = await gitHost(synced.root, {
        user: "robot",
        password,
        onRequest: () => commandLines().forEach((line) => seen.add(line)),
      });
      try {
        git(synced.remote, "config", "http.receivepack", "true");
        synced.write("note.md", "note\n");
        synced.start({ GIT_REPOSITORY: `${host.url}/remote.git`, GIT_USERNAME: "robot", GIT_PASSWORD: password });
        await synced.until("the push", () => synced.pushed("note.md") === "note\n");
        await synced.round();
        assert.ok(host.accepted() >= 4, "fetch and push both have to authenticate");
        assert.ok([...seen].some((line) => line.includes("remote-http")));
        assert.ok(![...seen].some((line) => line.includes(password)), "it is on a command line");
        assert.ok(!synced.log.includes(password), "it is in the log");
        for (const file of filesBelow(synced.root)) {
          assert.ok(!readFileSync(file).includes(password), `it is in ${file}`);
        }
      } finally {
        await synced.stop();
        await host.close();
      }
    });

    it("says nothing of a credential that is refused", async () => {
      const host = await gitHost(synced.root, { user: "robot", password: "right", onRequest: () => undefined });
      try {
        synced.write("note.md", "note\n");
        synced.start({
          GIT_REPOSITORY: `${host.url}/remote.git`,
          GIT_USERNAME: "robot",
          GIT_PASSWORD: "canary-wrong-password",
        });
        await synced.round("not in step");
        assert.match(synced.log, /Authentication failed/);
        assert.ok(!synced.log.includes("canary-wrong-password"));
      } finally {
        await synced.stop();
        await host.close();
      }
    });
  });

  /** A git that has a person push right before the first push of the script. */
  function writeWrapper(folder: string, raced: string): void {
    const real = git(synced.root, "--exec-path").trim();
    writeFileSync(join(synced.clone, "race.md"), "in between\n");
    git(synced.clone, "add", "-A");
    git(synced.clone, "commit", "-q", "-m", "in between");
    const script = `#!/bin/sh
if [ "$1" = push ] && [ ! -e '${raced}' ]; then
  touch '${raced}'
  env -u GIT_DIR -u GIT_WORK_TREE '${real}/git' -C '${synced.clone}' push -q origin HEAD:main
fi
exec '${real}/git' "$@"
`;
    mkdirSync(folder);
    writeFileSync(join(folder, "git"), script, { mode: 0o755 });
  }
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
