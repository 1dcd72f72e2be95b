import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { preloadEnv } from "../../cli/pack/preload-env";
import { PackServers } from "../../cli/pack/servers";
import { projectRoot } from "../../cli/workspace";
import { Environment } from "../../components/environment";
import { listens } from "../support/listens";

const VARIABLE = "CLAWFLEET_PACK_PORT";
/** Where Pulumi starts packs from. */
const RUN_PLUGIN = join(projectRoot, "node_modules", "@pulumi", "pulumi", "cmd", "run-plugin", "index.js");

async function falls(port: number): Promise<boolean> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (!(await listens(port))) return true;
    await wait(50);
  }
  return false;
}

describe("the policy pack as a process for many previews", function () {
  this.timeout(30_000);

  it("is started once for an environment, and ends when it is stopped", async () => {
    const packs = new PackServers();
    const [dev, again, prod] = await Promise.all(
      [Environment.Dev, Environment.Dev, Environment.Prod].map(async (each) => (await packs.env(each))[VARIABLE]),
    );
    assert.equal(dev, again);
    assert.notEqual(dev, prod);
    assert.ok(await listens(Number(dev)));
    packs.stop();
    assert.ok(await falls(Number(dev)));
    assert.ok(await falls(Number(prod)));
  });

  it("ends with whoever started it, also when that is killed", async () => {
    const script = `
      const { PackServers } = require("./dist/cli/pack/servers.js");
      new PackServers().env("dev").then((env) => console.log(env.${VARIABLE}));
      setInterval(() => undefined, 1000);`;
    const owner = spawn(process.execPath, ["-e", script], { cwd: projectRoot, stdio: ["ignore", "pipe", "inherit"] });
    const [port] = (await once(createInterface(owner.stdout), "line")) as [string];
    assert.ok(await listens(Number(port)));
    owner.kill("SIGKILL");
    assert.ok(await falls(Number(port)));
  });

  it("is what Pulumi is told of, in the place of a pack of its own", async () => {
    const child = spawn(process.execPath, [RUN_PLUGIN, "policy"], {
      env: { ...process.env, ...preloadEnv(), [VARIABLE]: "4711" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    assert.equal(line, "4711");
    await wait(300);
    assert.equal(child.exitCode, null, "Pulumi takes the end of its process for the pack's");
    child.kill();
    await once(child, "close");
  });

  it("leaves all other processes as they are", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ["-p", "6 * 7"], {
      env: { ...process.env, ...preloadEnv(), [VARIABLE]: "4711" },
    });
    assert.equal(stdout.trim(), "42");
  });
});
