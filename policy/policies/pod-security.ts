import { dropsAll } from "../kubernetes/capabilities";
import { inspect, type Field, type Problems } from "../kubernetes/field";
import type { ResourcePolicy } from "../kubernetes/policy";
import { setAbsent } from "../kubernetes/remediation";
import { isKind } from "../kubernetes/resource-type";
import { CONTAINER_LISTS, podSpecPath, podTemplatesOf } from "../kubernetes/workloads";

interface Config {
  /** Whether containers need a read-only root file system, which `restricted` does not ask for. */
  readOnlyRoot: boolean;
  /** Whether Pods may mount a token of the Kubernetes API. */
  serviceAccountTokens: boolean;
  /** The levels that a Namespace may have enforced by the API server. */
  enforcedLevels: string[];
}

export const podSecurity: ResourcePolicy = {
  name: "pod-security",
  description:
    "Pods keep to the restricted Pod Security Standard, with a read-only root and without an API token; Namespaces have it enforced.",
  why: "A container that is root, or shares the node's, is one mistake away from the node and from all that runs there.",
  severity: "critical",
  remediationSteps:
    "Set the field that the finding names as it says; the level remediate sets the seccomp profile and refuses the API token.",
  url: "https://kubernetes.io/docs/concepts/security/pod-security-standards/",
  configSchema: {
    properties: {
      readOnlyRoot: { type: "boolean", default: true, description: "Containers need a read-only root file system." },
      serviceAccountTokens: { type: "boolean", default: false, description: "Pods may mount a token of the API." },
      enforcedLevels: {
        type: "array",
        items: { type: "string", enum: ["restricted", "baseline", "privileged"] },
        default: ["restricted"],
        description: "The levels of the Pod Security Standards that a Namespace may have the API server enforce.",
      },
    },
  },
  // What is said is left as it is: it may be meant.
  remediateResource: (args) => {
    const path = podSpecPath(args.type);
    if (path === undefined) return undefined;
    const seccomp = setAbsent(args.props, [...path, "securityContext", "seccompProfile"], { type: "RuntimeDefault" });
    const token =
      !args.getConfig<Config>().serviceAccountTokens &&
      setAbsent(args.props, [...path, "automountServiceAccountToken"], false);
    return seccomp || token ? args.props : undefined;
  },
  validateResource: (args, report) => {
    inspect(args, report, (resource) => {
      const config = args.getConfig<Config>();
      if (isKind(args.type, "core", "Namespace")) checkNamespace(resource, config);
      for (const { spec: pod, metadata } of podTemplatesOf(args.type, resource)) {
        checkPod(pod, config);
        checkAppArmorAnnotations(metadata?.at("annotations"));
        const windows = pod.at("os", "name").read()?.value === "windows";
        for (const container of CONTAINER_LISTS.flatMap((list) => pod.at(list).items())) {
          checkContainer(container, pod, windows, config);
        }
      }
    });
  },
};

const HOST_NAMESPACES = ["hostNetwork", "hostPID", "hostIPC"];
const VOLUMES = new Set([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "image",
  "persistentVolumeClaim",
  "projected",
  "secret",
]);
const SYSCTLS = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ping_group_range",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.tcp_wmem",
]);
const SELINUX_TYPES = new Set(["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"]);

const ENFORCE = "pod-security.kubernetes.io/enforce";

function checkNamespace(namespace: Field, { enforcedLevels }: Config): void {
  namespace
    .at("metadata", "labels", ENFORCE)
    .check((level) =>
      enforcedLevels.includes(String(level))
        ? []
        : [`the API server admits any Pod; set it to ${enforcedLevels.join(" or ")}`],
    );
}

function checkPod(pod: Field, { serviceAccountTokens }: Config): void {
  for (const namespace of HOST_NAMESPACES) pod.at(namespace).check(notTrue("shares the node's; leave it out"));
  for (const volume of pod.at("volumes").items()) {
    for (const [kind, field] of volume.entries()) {
      if (kind === "name" || VOLUMES.has(kind)) continue;
      field.check((value) => (value === undefined ? [] : ["a kind of volume that restricted refuses; use a claim"]));
    }
  }
  for (const sysctl of pod.at("securityContext", "sysctls").items()) {
    sysctl
      .at("name")
      .check((name) => (typeof name === "string" && SYSCTLS.has(name) ? [] : ["not a safe sysctl; leave it out"]));
  }
  if (!serviceAccountTokens) {
    pod
      .at("automountServiceAccountToken")
      .check((value) => (value === false ? [] : ["not false, so the Pod gets an API token; set it to false"]));
  }
  const context = pod.at("securityContext");
  checkSharedContext(context);
  // Said of the Pod, it is wrong even where every container says otherwise.
  context.at("runAsNonRoot").check((value) => (value === false ? ["not true; set it"] : []));
  context
    .at("seccompProfile", "type")
    .check((value) => (value === undefined || isConfined(value) ? [] : ["not confined; use RuntimeDefault"]));
}

/** What the security contexts of Pod and container have in common. */
function checkSharedContext(context: Field): void {
  context.at("windowsOptions", "hostProcess").check(notTrue("runs on the node itself; leave it out"));
  const seLinux = context.at("seLinuxOptions");
  seLinux
    .at("type")
    .check((value) =>
      value === undefined || SELINUX_TYPES.has(value as string) ? [] : ["not a container's; drop it"],
    );
  for (const name of ["user", "role"]) {
    seLinux.at(name).check((value) => (value === undefined || value === "" ? [] : ["custom; leave it out"]));
  }
  context
    .at("appArmorProfile", "type")
    .check((value) => (value === undefined || isConfined(value) ? [] : ["not confined; use RuntimeDefault"]));
  context.at("runAsUser").check((value) => (value === 0 ? ["root; use another uid"] : []));
}

function checkAppArmorAnnotations(annotations: Field | undefined): void {
  for (const [name, annotation] of annotations?.entries() ?? []) {
    if (!name.startsWith("container.apparmor.security.beta.kubernetes.io/")) continue;
    annotation.check((value) =>
      value === "" || value === "runtime/default" || (typeof value === "string" && value.startsWith("localhost/"))
        ? []
        : ["not confined; use runtime/default"],
    );
  }
}

function checkContainer(container: Field, pod: Field, windows: boolean, { readOnlyRoot }: Config): void {
  const context = container.at("securityContext");
  checkSharedContext(context);
  context.at("privileged").check(notTrue("is root on the node; leave it out"));
  context
    .at("procMount")
    .check((value) => (value === undefined || value === "Default" ? [] : ["unmasks /proc; leave it out"]));
  for (const port of container.at("ports").items()) {
    port.at("hostPort").check((value) => (value === undefined || value === 0 ? [] : ["a port of the node; drop it"]));
  }
  checkHandlers(container);
  inherited(pod, context, ["runAsNonRoot"], (value) =>
    value === true ? [] : ["not true, on the container or its Pod; set it"],
  );
  if (readOnlyRoot && !windows) {
    context
      .at("readOnlyRootFilesystem")
      .check((value) => (value === true ? [] : ["not true; set it, and mount an emptyDir where it writes"]));
  }
  if (windows) return;
  context.at("allowPrivilegeEscalation").check((value) => (value === false ? [] : ["not false; set it"]));
  inherited(pod, context, ["seccompProfile", "type"], (value) =>
    isConfined(value) ? [] : ["not confined, on the container or its Pod; use RuntimeDefault"],
  );
  checkCapabilities(context.at("capabilities"));
}

function checkCapabilities(capabilities: Field): void {
  if (dropsAll(capabilities) === false) capabilities.at("drop").violation("does not drop ALL; set it to [ALL]");
  for (const added of capabilities.at("add").items()) {
    added.check((value) => (value === "NET_BIND_SERVICE" ? [] : ["a capability that restricted refuses; drop it"]));
  }
}

/** Probes and hooks with a host make the node connect to where it leads. */
function checkHandlers(container: Field): void {
  const handlers = [
    ...["startupProbe", "readinessProbe", "livenessProbe"].map((probe) => container.at(probe)),
    ...["postStart", "preStop"].map((hook) => container.at("lifecycle", hook)),
  ];
  for (const handler of handlers) {
    for (const kind of ["httpGet", "tcpSocket"]) {
      handler
        .at(kind, "host")
        .check((value) => (value === undefined || value === "" ? [] : ["a host of its own; leave it out"]));
    }
  }
}

/** Checks the container's value; where it says none, its Pod has to, whose own value is checked already. */
function inherited(pod: Field, context: Field, keys: string[], problemsOf: (value: unknown) => Problems): void {
  const field = context.at(...keys);
  const own = field.read();
  if (own === undefined) return;
  const common = pod.at("securityContext", ...keys).read();
  if (own.value === undefined && (common === undefined || common.value !== undefined)) return;
  for (const problem of problemsOf(own.value)) field.violation(problem);
}

/** What the profiles of seccomp and AppArmor have in common. */
function isConfined(type: unknown): boolean {
  return type === "RuntimeDefault" || type === "Localhost";
}

function notTrue(problem: string): (value: unknown) => Problems {
  return (value) => (value === true ? [problem] : []);
}
