import assert from "node:assert/strict";
import { podSecurity } from "../../policy/policies/pod-security";
import { otherKinds, UNKNOWN, validate, workloads } from "./support";

const context = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  seccompProfile: { type: "RuntimeDefault" },
};
const container = { securityContext: context };
const compliant = { automountServiceAccountToken: false, containers: [container] };
const LISTS = ["initContainers", "containers", "ephemeralContainers"];

const podOf = (spec: Record<string, unknown>, annotations?: unknown) => ({
  type: "kubernetes:core/v1:Pod",
  props: { metadata: { annotations }, spec: { ...compliant, ...spec } },
});
const violations = async (...args: Parameters<typeof podOf>) => {
  const verdict = await validate(podSecurity, podOf(...args));
  assert.equal(verdict.advisory, undefined);
  return verdict.violations;
};
const secured = (changes: Record<string, unknown>) => ({ securityContext: { ...context, ...changes } });

const NOT_NON_ROOT = "not true, on the container or its Pod; set it";
const NOT_SECCOMP = "not confined, on the container or its Pod; use RuntimeDefault";
const NOT_DROPPED = "does not drop ALL; set it to [ALL]";
const ADDED = "a capability that restricted refuses; drop it";
const VOLUME = "a kind of volume that restricted refuses; use a claim";
const HOST = "a host of its own; leave it out";

/** What each control refuses of a container: its fields, where, and why. */
const CONTAINER: [control: string, fields: Record<string, unknown>, path: string, problem: string][] = [
  ["privileged", secured({ privileged: true }), "securityContext.privileged", "is root on the node; leave it out"],
  [
    "HostProcess",
    secured({ windowsOptions: { hostProcess: true } }),
    "securityContext.windowsOptions.hostProcess",
    "runs on the node itself; leave it out",
  ],
  [
    "added capabilities",
    secured({ capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE", "CHOWN"] } }),
    "securityContext.capabilities.add[1]",
    ADDED,
  ],
  ["kept capabilities", secured({ capabilities: undefined }), "securityContext.capabilities.drop", NOT_DROPPED],
  [
    "one dropped capability",
    secured({ capabilities: { drop: ["NET_RAW"] } }),
    "securityContext.capabilities.drop",
    NOT_DROPPED,
  ],
  ["no dropped capability", secured({ capabilities: { drop: [] } }), "securityContext.capabilities.drop", NOT_DROPPED],
  ["procMount", secured({ procMount: "Unmasked" }), "securityContext.procMount", "unmasks /proc; leave it out"],
  [
    "escalation",
    secured({ allowPrivilegeEscalation: undefined }),
    "securityContext.allowPrivilegeEscalation",
    "not false; set it",
  ],
  ["a root", secured({ runAsNonRoot: undefined }), "securityContext.runAsNonRoot", NOT_NON_ROOT],
  ["uid 0", secured({ runAsUser: 0 }), "securityContext.runAsUser", "root; use another uid"],
  ["no seccomp profile", secured({ seccompProfile: undefined }), "securityContext.seccompProfile.type", NOT_SECCOMP],
  [
    "Unconfined",
    secured({ seccompProfile: { type: "Unconfined" } }),
    "securityContext.seccompProfile.type",
    NOT_SECCOMP,
  ],
  [
    "AppArmor",
    secured({ appArmorProfile: { type: "Unconfined" } }),
    "securityContext.appArmorProfile.type",
    "not confined; use RuntimeDefault",
  ],
  [
    "SELinux types",
    secured({ seLinuxOptions: { type: "spc_t" } }),
    "securityContext.seLinuxOptions.type",
    "not a container's; drop it",
  ],
  [
    "SELinux users",
    secured({ seLinuxOptions: { user: "u" } }),
    "securityContext.seLinuxOptions.user",
    "custom; leave it out",
  ],
  [
    "SELinux roles",
    secured({ seLinuxOptions: { role: "r" } }),
    "securityContext.seLinuxOptions.role",
    "custom; leave it out",
  ],
  [
    "a writable root",
    secured({ readOnlyRootFilesystem: false }),
    "securityContext.readOnlyRootFilesystem",
    "not true; set it, and mount an emptyDir where it writes",
  ],
  ["host ports", { ...container, ports: [{ hostPort: 80 }] }, "ports[0].hostPort", "a port of the node; drop it"],
  [
    "hosts of probes",
    { ...container, livenessProbe: { httpGet: { host: "10.0.0.1" } } },
    "livenessProbe.httpGet.host",
    HOST,
  ],
  [
    "hosts of hooks",
    { ...container, lifecycle: { preStop: { tcpSocket: { host: "h" } } } },
    "lifecycle.preStop.tcpSocket.host",
    HOST,
  ],
];

/** What each control refuses of a Pod. */
const POD: [control: string, spec: Record<string, unknown>, path: string, problem: string][] = [
  ...["hostNetwork", "hostPID", "hostIPC"].map<(typeof POD)[number]>((name) => [
    name,
    { [name]: true },
    name,
    "shares the node's; leave it out",
  ]),
  ...["hostPath", "nfs", "gcePersistentDisk", "flexVolume"].map<(typeof POD)[number]>((kind) => [
    kind,
    {
      volumes: [
        { name: "tmp", emptyDir: {} },
        { name: "other", [kind]: {} },
      ],
    },
    `volumes[1].${kind}`,
    VOLUME,
  ]),
  [
    "sysctls",
    { securityContext: { sysctls: [{ name: "net.ipv4.tcp_syncookies" }, { name: "kernel.msgmax" }] } },
    "securityContext.sysctls[1].name",
    "not a safe sysctl; leave it out",
  ],
  [
    "a token",
    { automountServiceAccountToken: undefined },
    "automountServiceAccountToken",
    "not false, so the Pod gets an API token; set it to false",
  ],
  ["uid 0", { securityContext: { runAsUser: 0 } }, "securityContext.runAsUser", "root; use another uid"],
];

describe("policy pod-security", () => {
  it("accepts what restricted accepts, in every container of every kind", async () => {
    const volumes = [
      "configMap",
      "csi",
      "downwardAPI",
      "emptyDir",
      "ephemeral",
      "persistentVolumeClaim",
      "projected",
      "secret",
    ];
    for (const { resource } of workloads({
      ...compliant,
      initContainers: [container],
      ephemeralContainers: [container],
      volumes: volumes.map((kind) => ({ name: kind, [kind]: {} })),
    })) {
      assert.deepEqual(await validate(podSecurity, resource), { violations: [] }, resource.type);
    }
  });

  for (const [control, fields, path, problem] of CONTAINER) {
    it(`refuses ${control} of a container, in every list of every kind`, async () => {
      for (const list of LISTS) {
        for (const { path: podPath, resource } of workloads({ ...compliant, [list]: [container, fields] })) {
          // Without containers it is no workload by shape.
          assert.deepEqual(
            (await validate(podSecurity, resource)).violations,
            [`${podPath}.${list}[1].${path}: ${problem}`],
            `${resource.type} ${list}`,
          );
        }
      }
    });
  }

  for (const [control, spec, path, problem] of POD) {
    it(`refuses ${control} of a Pod, of every kind`, async () => {
      for (const { path: podPath, resource } of workloads({ ...compliant, ...spec })) {
        assert.deepEqual((await validate(podSecurity, resource)).violations, [`${podPath}.${path}: ${problem}`]);
      }
    });
  }

  it("lets a container inherit from its Pod, and differ from it", async () => {
    const inheriting = secured({ runAsNonRoot: undefined, seccompProfile: undefined });
    const securityContext = { runAsNonRoot: true, seccompProfile: { type: "Localhost" } };
    assert.deepEqual(await violations({ securityContext, containers: [inheriting] }), []);
    assert.deepEqual(await violations({ securityContext, containers: [secured({ runAsNonRoot: false })] }), [
      `spec.containers[0].securityContext.runAsNonRoot: ${NOT_NON_ROOT}`,
    ]);
    assert.deepEqual(await violations({ securityContext: { runAsNonRoot: false }, containers: [inheriting] }), [
      "spec.securityContext.runAsNonRoot: not true; set it",
      `spec.containers[0].securityContext.seccompProfile.type: ${NOT_SECCOMP}`,
    ]);
  });

  it("refuses what the Pod says wrongly, though every container says otherwise, as admission does", async () => {
    const wrong = { runAsNonRoot: false, seccompProfile: { type: "Unconfined" } };
    assert.deepEqual(await violations({ securityContext: wrong }), [
      "spec.securityContext.runAsNonRoot: not true; set it",
      "spec.securityContext.seccompProfile.type: not confined; use RuntimeDefault",
    ]);
  });

  it("accepts volumes of images, as admission does", async () => {
    assert.deepEqual(await violations({ volumes: [{ name: "models", image: { reference: "a" } }] }), []);
  });

  it("has the API server refuse other Pods in every Namespace", async () => {
    const named = (level: unknown) => ({
      type: "kubernetes:core/v1:Namespace",
      props: { metadata: { labels: { "pod-security.kubernetes.io/enforce": level } } },
    });
    const place = 'metadata.labels["pod-security.kubernetes.io/enforce"]';
    assert.deepEqual(await validate(podSecurity, named("restricted")), { violations: [] });
    for (const level of [undefined, "baseline", "privileged"]) {
      assert.deepEqual((await validate(podSecurity, named(level))).violations, [
        `${place}: the API server admits any Pod; set it to restricted`,
      ]);
    }
    const enforcedLevels = ["restricted", "baseline"];
    assert.deepEqual(await validate(podSecurity, named("baseline"), { enforcedLevels }), { violations: [] });
    assert.deepEqual(await validate(podSecurity, named(UNKNOWN)), {
      violations: [],
      advisory: `1 field not decidable in preview: ${place}`,
    });
  });

  it("refuses AppArmor's annotation, where it lets a container be", async () => {
    const key = "container.apparmor.security.beta.kubernetes.io/main";
    assert.deepEqual(await violations({}, { [key]: "runtime/default", other: "unconfined" }), []);
    assert.deepEqual(await violations({}, { [key]: "unconfined" }), [
      `metadata.annotations["${key}"]: not confined; use runtime/default`,
    ]);
  });

  it("asks a Windows Pod for nothing that only Linux has", async () => {
    const windows = { os: { name: "windows" }, containers: [{ securityContext: { runAsNonRoot: true } }] };
    assert.deepEqual(await violations(windows), []);
  });

  it("allows a writable root, and API tokens, where the config does", async () => {
    const spec = { automountServiceAccountToken: true, containers: [secured({ readOnlyRootFilesystem: false })] };
    const config = { readOnlyRoot: false, serviceAccountTokens: true };
    assert.deepEqual(await validate(podSecurity, podOf(spec), config), { violations: [] });
  });

  it("finds violations beside unknowns, and names the unknowns", async () => {
    const containers = [
      secured({ runAsNonRoot: UNKNOWN, privileged: true, capabilities: { drop: [UNKNOWN, "KILL"] } }),
    ];
    assert.deepEqual(await validate(podSecurity, podOf({ hostNetwork: UNKNOWN, hostPID: true, containers })), {
      violations: [
        "spec.hostPID: shares the node's; leave it out",
        "spec.containers[0].securityContext.privileged: is root on the node; leave it out",
      ],
      advisory:
        "3 fields not decidable in preview: spec.hostNetwork, spec.containers[0].securityContext.runAsNonRoot, spec.containers[0].securityContext.capabilities.drop[0]",
    });
    assert.deepEqual(
      await validate(podSecurity, podOf({ volumes: UNKNOWN, containers: [secured({ privileged: true })] })),
      {
        violations: ["spec.containers[0].securityContext.privileged: is root on the node; leave it out"],
        advisory: "1 field not decidable in preview: spec.volumes",
      },
    );
  });

  it("leaves other kinds alone", async () => {
    for (const resource of otherKinds({ containers: [{}], hostNetwork: true })) {
      assert.deepEqual(await validate(podSecurity, resource), { violations: [] }, resource.type);
    }
  });
});
