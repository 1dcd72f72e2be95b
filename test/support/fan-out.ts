import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { ApiServer } from "../../engine/clusters/api";
import { ExampleProject } from "./example-project";
import { TestFleet, type KubernetesObject } from "./fleet";
import { defineExternalSecrets, playOperators } from "./played-operators";

/** The example's tenants, and its cells of dev: each tenant on each of two clusters. */
export const TENANTS = ["acme", "globex"];
export const DEV_CELLS = ["dev-eu", "dev-us"].flatMap((cluster) => TENANTS.map((tenant) => `${cluster}-${tenant}`));
/** Its cell of prod that the tests bring up. */
export const PROD_CELL = "prod-eu-acme";

/** What the platform gives to every cell of dev, and how whatever the store of prod has begins. */
export const CANARIES = { providerKey: "canary-provider-key-5e1d", stored: "canary-of-the-store" };

const KINDS =
  "configmaps,secrets,serviceaccounts,services,persistentvolumeclaims,deployments,statefulsets,cronjobs,networkpolicies,poddisruptionbudgets,resourcequotas,limitranges,ingresses,roles,rolebindings,pods";

/** The example of two tenants in two regions, on three real API servers: its clusters of dev, and one of prod. */
export class FanOut {
  private readonly stopped = new AbortController();
  private readonly clients: ApiServer[] = [];
  private operators: Promise<void> = Promise.resolve();

  private constructor(
    readonly fleet: TestFleet,
    readonly project: ExampleProject,
  ) {}

  static async start(): Promise<FanOut> {
    const fleet = await TestFleet.start(["dev-eu", "dev-us", "prod-eu"]);
    fleet.saveAtEnd();
    const fanOut = new FanOut(fleet, new ExampleProject(fleet, "two-regions-two-tenants"));
    try {
      await fanOut.prepareProd();
      fanOut.giveEntriesToDev();
      return fanOut;
    } catch (error) {
      await fanOut.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    try {
      await this.operators;
    } finally {
      for (const client of this.clients) client.close();
      await this.fleet.stop();
    }
  }

  /** The API server of a cluster, until all stops. */
  api(cluster: string): ApiServer {
    return this.closing(new ApiServer(this.fleet.access(cluster)));
  }

  /** Closes a client when all stops. */
  closing(client: ApiServer): ApiServer {
    this.clients.push(client);
    return client;
  }

  /** What prod needs beside Kubernetes; and a program of the user's own that prints the credential of its cluster. */
  private async prepareProd(): Promise<void> {
    const api = this.api("prod-eu");
    await defineExternalSecrets(api);
    await this.fleet.kubectl("prod-eu", "create", "priorityclass", "clawfleet", "--value=1000000");
    const valueOf = (key: string) => `${CANARIES.stored} ${key}`;
    this.operators = playOperators(api, PROD_CELL, valueOf, this.stopped.signal);

    const { server, certificateAuthority, token } = this.fleet.access("prod-eu");
    const credential = join(this.fleet.folder, "prod-eu-credential");
    const answer = { apiVersion: "client.authentication.k8s.io/v1beta1", kind: "ExecCredential", status: { token } };
    writeFileSync(credential, JSON.stringify(answer), { mode: 0o600 });
    this.project.write("prod-eu.pem", certificateAuthority);
    this.project.write("get-token", '#!/bin/sh\ncat "$CREDENTIAL"\n');
    chmodSync(join(this.project.stacks, "get-token"), 0o755);
    this.editCluster("prod-eu", {
      server,
      uid: this.fleet.clusters.find(({ name }) => name === "prod-eu")?.uid,
      exec: { command: "./get-token", env: { CREDENTIAL: credential } },
    });
  }

  /** So that there are certificates to compare and to move. */
  private giveEntriesToDev(): void {
    for (const tenant of TENANTS) {
      const entry = { host: `${tenant}.dev.example.com`, ingress: {} };
      this.project.append(`overlays/tenant/${tenant}.yaml`, stringify({ entry }));
    }
    for (const { name, podCidr } of this.fleet.clusters) this.editCluster(name, { podCidrs: [podCidr] });
  }

  private editCluster(id: string, keys: Record<string, unknown>): void {
    this.project.edit("fleet.yaml", (document) => {
      const { clusters } = document.toJS() as { clusters: { id: string }[] };
      const index = clusters.findIndex((cluster) => cluster.id === id);
      assert.ok(index >= 0, id);
      for (const [key, value] of Object.entries(keys)) document.setIn(["clusters", index, key], value);
    });
  }

  /** The objects of a cell. */
  objects(cell: string, kinds = KINDS): Promise<Map<string, KubernetesObject>> {
    return this.fleet.objects(clusterOf(cell), cell, kinds);
  }

  /** The UIDs of a cell's objects, but for the Pods that come and go with the schedule of a CronJob. */
  async uids(cell: string): Promise<Map<string, string>> {
    const found = [...(await this.objects(cell))].filter(
      ([, { metadata }]) => metadata.ownerReferences?.[0]?.kind !== "Job",
    );
    return new Map(found.map(([name, { metadata }]) => [name, metadata.uid]));
  }

  async assertReady(cell: string): Promise<void> {
    const pods = await this.objects(cell, "pods");
    assert.ok(pods.size > 0, cell);
    for (const [name, { status }] of pods) {
      const { phase, conditions = [] } = status as { phase: string; conditions?: { type: string; status: string }[] };
      if (phase === "Succeeded") continue;
      assert.equal(conditions.find(({ type }) => type === "Ready")?.status, "True", `${cell} ${name}`);
    }
  }

  /** The hash of the gateway's token as a stack has it. */
  async tokenHash(stack: string, cell: string): Promise<string> {
    const args = ["stack", "output", "tokens", "--json", "--show-secrets", "-s", stack];
    const { output } = await this.project.run(args, { secret: true });
    const token = (JSON.parse(output) as Record<string, string>)[cell] ?? "";
    assert.ok(token.length > 20);
    return createHash("sha256").update(token).digest("hex");
  }
}

/** `dev-eu` of `dev-eu-acme`. */
export function clusterOf(cell: string): string {
  return cell.split("-").slice(0, 2).join("-");
}
