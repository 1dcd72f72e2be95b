import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { stringify } from "yaml";
import { NotFound, ValidationFailed } from "../../components/errors";
import { locateCluster, openCluster } from "../../stacks/cluster-connection";

describe("locateCluster", () => {
  const folder = mkdtempSync(join(tmpdir(), "clawfleet-kubeconfigs-"));
  const file = (name: string) => join(folder, name);
  after(() => rmSync(folder, { recursive: true }));

  function kubeconfig(name: string, ...contexts: string[]): string {
    writeFileSync(
      file(name),
      stringify({
        "current-context": contexts[0],
        clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }],
        users: [{ name: "u", user: { token: "canary-token" } }],
        contexts: contexts.map((context) => ({ name: context, context: { cluster: "c", user: "u" } })),
      }),
    );
    return file(name);
  }

  const cluster = (more: { kubeconfig?: string; context?: string }) => ({ id: "eu", region: "eu", ...more });
  const locate = (more: { kubeconfig?: string; context?: string }, env: NodeJS.ProcessEnv = {}) =>
    locateCluster(cluster(more), folder, env);

  it("finds a context in the file that is named", () => {
    const path = kubeconfig("two", "eu", "us");
    assert.deepEqual(locate({ kubeconfig: path, context: "us" }), { kubeconfig: path, context: "us" });
  });

  it("finds a context in any file of KUBECONFIG, the first one first, and skips files that are missing", () => {
    const [one, two] = [kubeconfig("one", "eu", "both"), kubeconfig("other", "us", "both")];
    const env = { KUBECONFIG: ["", file("missing"), one, two].join(delimiter) };
    assert.deepEqual(locate({ context: "us" }, env), { kubeconfig: two, context: "us" });
    assert.deepEqual(locate({ context: "both" }, env), { kubeconfig: one, context: "both" });
  });

  it("counts a relative path from the folder of the inventory, and ~ from the home folder", () => {
    kubeconfig("relative", "eu");
    const address = { kubeconfig: file("relative"), context: "eu" };
    assert.deepEqual(locate({ kubeconfig: "relative", context: "eu" }), address);
    assert.deepEqual(locate({ kubeconfig: `./${basename(file("relative"))}`, context: "eu" }), address);
    assert.throws(() => locate({ kubeconfig: "~/clawfleet-none" }), new RegExp(join(homedir(), "clawfleet-none")));
  });

  it("takes the only context when none is named, and never the current one of several", () => {
    const only = kubeconfig("only", "eu");
    assert.deepEqual(locate({ kubeconfig: only }), { kubeconfig: only, context: "eu" });
    assert.throws(
      () => locate({ kubeconfig: kubeconfig("several", "eu", "us") }),
      (error: Error) =>
        error instanceof ValidationFailed &&
        /fleet\.yaml: eu\.context: which context is meant is not clear: .*several has eu, us[^]*Fix: name the context/.test(
          error.message,
        ),
    );
  });

  it("says which file is missing", () => {
    assert.throws(
      () => locate({ kubeconfig: file("gone"), context: "eu" }),
      (error: Error) => error instanceof NotFound && /eu\.kubeconfig: no kubeconfig at .*gone/.test(error.message),
    );
    assert.throws(() => locate({ context: "eu" }, { KUBECONFIG: file("gone") }), /no kubeconfig at .*gone/);
  });

  it("says which contexts there are", () => {
    const path = kubeconfig("contexts", "eu", "us");
    assert.throws(
      () => locate({ kubeconfig: path, context: "asia" }),
      (error: Error) =>
        error instanceof NotFound &&
        /eu\.context: no context asia in .*contexts[^]*Fix: use one of: eu, us/.test(error.message),
    );
    writeFileSync(file("empty"), "");
    assert.throws(() => locate({ kubeconfig: file("empty"), context: "eu" }), /Fix: use one of: none/);
  });

  it("repeats nothing of a file that cannot be parsed", () => {
    writeFileSync(file("broken"), "users:\n  - name: u\n    user: {token: canary-token\n");
    assert.throws(
      () => locate({ kubeconfig: file("broken"), context: "eu" }),
      (error: Error) => /broken: the kubeconfig cannot be read/.test(error.message) && !/canary/.test(error.message),
    );
  });

  it("makes a kubeconfig of a server, with its authority's content and a program for the credentials", () => {
    writeFileSync(file("ca.pem"), "PEM");
    const exec = { command: "aws", args: ["eks", "get-token"], env: { AWS_PROFILE: "prod" } };
    const server = { id: "eu", region: "eu", server: "https://203.0.113.1:6443", certificateAuthority: "ca.pem", exec };
    const { kubeconfig: content, context } = locateCluster(server, folder);
    assert.equal(context, "eu");
    assert.deepEqual(JSON.parse(content), {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "eu", cluster: { server: "https://203.0.113.1:6443", "certificate-authority-data": "UEVN" } }],
      users: [
        {
          name: "eu",
          user: {
            exec: {
              apiVersion: "client.authentication.k8s.io/v1beta1",
              command: "aws",
              args: ["eks", "get-token"],
              env: [{ name: "AWS_PROFILE", value: "prod" }],
              interactiveMode: "Never",
            },
          },
        },
      ],
      contexts: [{ name: "eu", context: { cluster: "eu", user: "eu" } }],
      "current-context": "eu",
    });
    const own = locateCluster({ ...server, exec: { command: "./get-token" } }, folder);
    assert.ok(own.kubeconfig.includes(JSON.stringify(file("get-token"))));
    assert.throws(
      () => locateCluster({ ...server, certificateAuthority: "gone.pem" }, folder),
      (error: Error) =>
        error instanceof NotFound && /fleet\.yaml: eu\.certificateAuthority: .*gone\.pem cannot/.test(error.message),
    );
  });

  it("opens nothing that is incomplete or not encrypted", async () => {
    const write = (server: string, user: string) =>
      writeFileSync(
        file("odd"),
        stringify({
          clusters: [{ name: "c", cluster: { server } }],
          users: [{ name: "u", user: {} }],
          contexts: [{ name: "eu", context: { cluster: "c", user } }],
        }),
      );
    const open = () => openCluster({ kubeconfig: file("odd"), context: "eu" }, "eu");
    write("https://127.0.0.1:1", "nobody");
    await assert.rejects(open(), /the context eu names a user that the file lacks/);
    write("http://127.0.0.1:1", "u");
    await assert.rejects(open(), /the server of the cluster c is no https URL/);
  });
});
