import assert from "node:assert/strict";
import { cellMatrix, type ArchitectureObject } from "../../engine/architecture";
import {
  networkMatrix,
  OUTSIDE,
  type Connection,
  type NetworkPolicyManifest,
  type PodGroup,
} from "../../engine/network-matrix";
import { render } from "../../stacks/render";
import { TestFleet, type KubernetesObject } from "../support/fleet";
import { changed, everythingOn, SWITCHES } from "../support/whole-stack";
import type { YamlMap } from "../../stacks/fleet/merge";

const CELL = "whole";
const COMPONENT = "app.kubernetes.io/component";
/** Every kind that a cell consists of. */
const KINDS =
  "configmaps,secrets,serviceaccounts,services,persistentvolumeclaims,deployments,statefulsets,cronjobs,networkpolicies,poddisruptionbudgets,resourcequotas,limitranges,ingresses,roles,rolebindings";

interface Container {
  name: string;
  resources: { requests?: Record<string, string>; limits?: Record<string, string> };
  securityContext?: { readOnlyRootFilesystem?: boolean };
}

interface PodSpec {
  automountServiceAccountToken?: boolean;
  containers: Container[];
  initContainers?: Container[];
  volumes?: { projected?: { sources: { serviceAccountToken?: object }[] } }[];
}

/** The dev stack's cell with every part on, on one real API server. */
describe("the whole stack on a real API server", function () {
  this.timeout(900_000);
  let fleet: TestFleet;
  let settings: YamlMap;
  /** The objects of the cell when everything is on. */
  let all: Map<string, KubernetesObject>;

  const configure = (cell: YamlMap) =>
    fleet.configure("test", { environment: "dev", clusters: [{ id: CELL, region: "eu", embedded: true }], cell });
  const objects = async (kinds = KINDS) => {
    const found = await fleet.objects(CELL, CELL, kinds);
    return new Map([...found].filter(([name]) => !IN_EVERY_NAMESPACE.includes(name)));
  };

  before(async () => {
    settings = everythingOn();
    fleet = await TestFleet.start([CELL]);
    fleet.saveAtEnd();
  });
  after(() => fleet.stop());

  it("comes up with every Pod Ready, and nothing refused or warned about", async () => {
    await configure(settings);
    const begin = Date.now();
    const output = await fleet.up("test");
    const seconds = Math.round((Date.now() - begin) / 1000);
    assert.doesNotMatch(output, /PodSecurity|violat|forbidden/i);

    all = await objects();
    const resources = Number(/\+ (\d+) created/.exec(output)?.[1]);
    process.stderr.write(
      `    ${String(all.size)} objects in the namespace, ${String(resources)} resources, up in ${String(seconds)} s\n`,
    );
    // A job may be at work: checks run every 15 minutes.
    const pods = [...(await objects("pods"))].filter(([, pod]) => !JOBS.includes(componentOf(pod)));
    for (const [name, { status }] of pods) {
      const conditions = status?.conditions as { type: string; status: string }[];
      assert.equal(conditions.find(({ type }) => type === "Ready")?.status, "True", name);
    }
    const running = pods.map(([, pod]) => componentOf(pod));
    const expected = [...all.values()]
      .filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet")
      .flatMap((object) => Array<string>(object.spec?.replicas as number).fill(componentOf(object)));
    assert.deepEqual(running.sort(), expected.sort());
    assert.deepEqual([...new Set(expected)].sort(), ["gateway", ...ofParts().filter((c) => !JOBS.includes(c))].sort());
  });

  it("shows no change in the next preview", async () => {
    assert.deepEqual(await fleet.steps("test"), []);
  });

  it("runs its jobs under the same rules", async () => {
    const cronJobs = [...all.values()].filter(({ kind }) => kind === "CronJob");
    assert.deepEqual(cronJobs.map(componentOf).sort(), JOBS);
    for (const { metadata } of cronJobs)
      await fleet.kubectl(CELL, "-n", CELL, "create", "job", metadata.name, "--from", `cronjob/${metadata.name}`);
    await until(async () => {
      const running = [...(await objects("pods")).values()].map(componentOf);
      return JOBS.every((component) => running.includes(component));
    });
  });

  it("gives every container requests, limits and a read-only root, and no Pod a token", async () => {
    const pods = await objects("pods");
    for (const component of ["gateway", ...ofParts()])
      assert.ok([...pods.values()].map(componentOf).includes(component), component);
    for (const [name, pod] of pods) {
      const spec = pod.spec as unknown as PodSpec;
      assert.equal(spec.automountServiceAccountToken, false, name);
      const sources = spec.volumes?.flatMap(({ projected }) => projected?.sources ?? []) ?? [];
      assert.deepEqual(
        sources.filter(({ serviceAccountToken }) => serviceAccountToken),
        [],
        name,
      );
      for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
        const where = `${name} ${container.name}`;
        const { requests = {}, limits = {} } = container.resources;
        for (const resource of ["cpu", "memory", "ephemeral-storage"]) {
          assert.ok(requests[resource], `${where} requests ${resource}`);
          assert.ok(limits[resource], `${where} limits ${resource}`);
        }
        assert.equal(container.securityContext?.readOnlyRootFilesystem, true, where);
      }
    }
  });

  it("enforces Pod Security restricted, the quota and the default limits", async () => {
    const namespace = JSON.parse(await fleet.kubectl(CELL, "get", "namespace", CELL, "-o", "json")) as KubernetesObject;
    assert.equal(namespace.metadata.labels?.["pod-security.kubernetes.io/enforce"], "restricted");
    const privileged = { ...BARE_CONTAINER, securityContext: { privileged: true } };
    await assert.rejects(fleet.dryRun(CELL, CELL, barePod(privileged)), /violates PodSecurity "restricted/);

    const stored = JSON.parse(await fleet.dryRun(CELL, CELL, barePod(BARE_CONTAINER))) as { spec: PodSpec };
    assert.deepEqual(stored.spec.containers[0]?.resources, {
      requests: { cpu: "50m", memory: "64Mi", "ephemeral-storage": "64Mi" },
      limits: { cpu: "500m", memory: "256Mi", "ephemeral-storage": "512Mi" },
    });
    const greedy = { ...BARE_CONTAINER, resources: { limits: { cpu: "32" } } };
    await assert.rejects(fleet.dryRun(CELL, CELL, barePod(greedy)), /exceeded quota: quota/);

    const { hard, used } = all.get("resourcequota/quota")?.status as Record<"hard" | "used", Record<string, string>>;
    for (const [resource, most] of Object.entries(hard)) {
      const [now, limit] = [used[resource] ?? "", most].map((quantity) => quantityOf(quantity));
      assert.ok(now !== undefined && limit !== undefined && now <= limit, `${resource}: ${String(now)}`);
      if (!resource.startsWith("services.")) assert.ok(now > 0, `${resource} is not counted`);
    }
  });

  it("has a NetworkPolicy in both directions and a PodDisruptionBudget for whatever runs", () => {
    const selected = (kind: string) =>
      [...all.values()].filter((object) => object.kind === kind && componentOf(object) !== "tenancy");
    const policies = selected("NetworkPolicy").filter((object) => componentOf(object) !== "entry");
    assert.deepEqual(policies.map(componentOf).sort(), ["gateway", ...ofParts()].sort());
    for (const { metadata, spec } of policies)
      assert.deepEqual(spec?.policyTypes, ["Ingress", "Egress"], metadata.name);
    assert.deepEqual(
      selected("PodDisruptionBudget").map(componentOf).sort(),
      ["gateway", ...ofParts().filter((component) => !JOBS.includes(component))].sort(),
    );
  });

  it("has exactly the network that was computed before anything existed", async () => {
    const policies = [...all.values()].filter(({ kind }) => kind === "NetworkPolicy");
    const pods = new Map(
      [...(await objects("pods")).values()].map((pod): [string, PodGroup] => [
        componentOf(pod),
        { component: componentOf(pod), namespace: CELL, labels: pod.metadata.labels ?? {} },
      ]),
    );
    const real = networkMatrix(policies as unknown as NetworkPolicyManifest[], [...pods.values()]);
    assert.deepEqual(rows(real), rows(cellMatrix(await rendered())));

    const reaching = (to: string) =>
      real
        .filter((connection) => connection.to === to)
        .map(({ from }) => from)
        .sort();
    for (const nowhere of [...Object.keys(OUTSIDE).filter((name) => name !== "internet"), "other namespaces"])
      assert.deepEqual(reaching(nowhere), [], nowhere);
    assert.deepEqual(reaching("internet"), ["admin-access", "forward-proxy"]);
    assert.deepEqual(reaching("cluster DNS"), ["dns-filter"]);
    assert.deepEqual(reaching("browser"), ["gateway"]);
  });

  it("had none of its Pods refused", async () => {
    const events = [...(await objects("events")).values()] as unknown as { reason: string }[];
    assert.ok(events.length > 0);
    assert.deepEqual(
      events.filter(({ reason }) => reason.startsWith("FailedCreate")),
      [],
    );
    // The test's own; the cell is as Pulumi made it again.
    await fleet.kubectl(CELL, "-n", CELL, "delete", "jobs", "--all", "--wait");
  });

  for (const [part, { off, components, alsoGoes = [], refer }] of Object.entries(SWITCHES)) {
    it(`would switch off ${part} and touch nothing but what refers to it`, async () => {
      await configure(changed(settings, off));
      const { deleted, referring } = await planned();
      const own = [...all.values()]
        .filter((object) => components.includes(componentOf(object)))
        .map(({ kind, metadata }) => `${kind} ${metadata.name.replace(`${CELL}-`, "").replace(HASH, "")}`);
      const gone = [...own, ...alsoGoes].sort();
      assert.deepEqual(
        deleted
          .filter(({ kind }) => kind !== "RandomPassword")
          .map(({ kind, name }) => `${kind} ${name}`)
          .sort(),
        gone,
      );
      // What was generated goes with the Secret that it is in.
      for (const { kind, name } of deleted)
        if (kind === "RandomPassword") assert.ok(gone.includes(`Secret ${name}`), name);

      assert.deepEqual(referring, refer);
    });
  }

  it("would switch on git sync and touch nothing but the gateway and what it resolves", async () => {
    const gitSync = {
      repository: "https://git.example.com/team/vault.git",
      credential: { from: "existing", existingName: "git", existingKey: "token" },
      egress: [{ cidr: "203.0.113.0/24" }],
    };
    await configure(changed(settings, { vault: { gitSync } }));
    const { deleted, referring } = await planned();
    assert.deepEqual(deleted, []);
    assert.deepEqual(referring, {
      "dns-filter": ["ConfigMap", "Deployment"],
      gateway: ["NetworkPolicy", "StatefulSet"],
    });
  });

  it("switches off the browser and messaging, and on again", async () => {
    const parts = ["browser", "messaging"].map((part) => SWITCHES[part]);
    const components = parts.flatMap((part) => part?.components ?? []);
    const rolled = new Set(
      parts.flatMap((part) =>
        Object.entries(part?.refer ?? {}).flatMap(([component, kinds]) =>
          kinds.includes("ConfigMap") ? [component] : [],
        ),
      ),
    );
    // By name without the hash of what is in it; that of a ConfigMap made anew has no uid to keep.
    const others = (found: Map<string, KubernetesObject>) =>
      Object.fromEntries(
        [...found.values()]
          .filter((object) => !components.includes(componentOf(object)))
          .map((object) => [
            `${object.kind} ${object.metadata.name.replace(HASH, "")}`,
            object.kind === "ConfigMap" && rolled.has(componentOf(object)) ? "new" : object.metadata.uid,
          ]),
      );
    await configure(parts.reduce((cell, part) => changed(cell, part?.off ?? {}), settings));
    await fleet.up("test");
    const without = await objects();
    assert.deepEqual(
      [...without.values()].filter((object) => components.includes(componentOf(object))),
      [],
    );
    assert.deepEqual(others(without), others(all));

    await configure(settings);
    await fleet.up("test");
    const again = await objects();
    assert.deepEqual([...again.keys()].sort(), [...all.keys()].sort());
    assert.deepEqual(others(again), others(all));
    // The gateway is told the browser's address, which is a new one.
    const pods = (found: Map<string, KubernetesObject>) => {
      const address = (found.get(`service/${CELL}-browser`)?.spec as { clusterIP: string }).clusterIP;
      const workloads = [...found].filter(([name]) => /^(deployment|statefulset|cronjob)/.test(name));
      return JSON.stringify(workloads.map(([name, { spec }]) => [name, spec])).replaceAll(`=${address}:`, "=browser:");
    };
    assert.deepEqual(JSON.parse(pods(again)), JSON.parse(pods(all)));
  });

  it("leaves nothing when it is destroyed", async () => {
    await fleet.must("test", ["destroy", "--yes", "--skip-preview"]);
    assert.equal(await fleet.kubectl(CELL, "get", "namespace", CELL, "--ignore-not-found"), "");
    assert.equal(
      await fleet.kubectl(CELL, "get", KINDS, "-A", "-l", `app.kubernetes.io/instance=${CELL}`, "-o", "name"),
      "",
    );
  });

  /** What a preview would delete, and the kinds of what it would change, by component; nothing else may happen. */
  async function planned(): Promise<{
    deleted: { kind: string; name: string }[];
    referring: Record<string, string[]>;
  }> {
    const deleted: { kind: string; name: string }[] = [];
    const referring: Record<string, string[]> = {};
    for (const { op, urn, oldState } of await fleet.steps("test")) {
      const inputs = oldState?.inputs as Partial<KubernetesObject> | undefined;
      const [type = "", name = ""] = urn.split("::").slice(-2);
      const kind = inputs?.kind ?? type.split(":").at(-1) ?? "";
      if (op === "delete") {
        deleted.push({ kind, name: name.replace(`${CELL}-`, "") });
      } else {
        assert.equal(op, kind === "ConfigMap" ? "replace" : "update", urn);
        (referring[inputs?.metadata?.labels?.[COMPONENT] ?? ""] ??= []).push(kind);
      }
    }
    for (const kinds of Object.values(referring)) kinds.sort();
    return { deleted, referring };
  }

  /** The cell as it is computed without a cluster. */
  async function rendered(): Promise<ArchitectureObject[]> {
    const state = process.env.CLAWFLEET_STATE;
    process.env.CLAWFLEET_STATE = fleet.folder;
    try {
      const found = await render("test", fleet.configFile("test"));
      return found.map(({ manifest }) => manifest as ArchitectureObject);
    } finally {
      if (state === undefined) delete process.env.CLAWFLEET_STATE;
      else process.env.CLAWFLEET_STATE = state;
    }
  }
});

/** What Kubernetes itself puts into each namespace. */
const IN_EVERY_NAMESPACE = ["configmap/kube-root-ca.crt", "serviceaccount/default"];
/** What runs only at times, or when someone asks for it. */
const JOBS = ["diagnostics", "message-redrive"];
/** The end of an immutable ConfigMap's name. */
const HASH = /-[0-9a-f]{12}$/;

const BARE_CONTAINER = {
  name: "c",
  image: "busybox",
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
};

function barePod(container: object): Record<string, unknown> {
  const securityContext = { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "bare" },
    spec: { securityContext, containers: [container] },
  };
}

function ofParts(): string[] {
  return Object.values(SWITCHES).flatMap(({ components }) => components);
}

function componentOf({ metadata }: KubernetesObject): string {
  return metadata.labels?.[COMPONENT] ?? "";
}

function rows(connections: Connection[]): string[] {
  return connections.map(({ from, to, ports }) => `${from} to ${to}: ${ports.join(", ")}`).sort();
}

const FACTORS: Record<string, number> = {
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

function quantityOf(text: string): number {
  const [, number, suffix = ""] = /^([0-9.]+)([A-Za-z]*)$/.exec(text) ?? [];
  return Number(number) * (suffix === "" ? 1 : (FACTORS[suffix] ?? NaN));
}

async function until(holds: () => Promise<boolean>, seconds = 60): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${String(seconds)} s`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
