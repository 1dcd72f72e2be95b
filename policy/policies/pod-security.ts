import type { ResourceValidationPolicy } from "@pulumi/policy";
import { inspect, type Field, type Problems } from "../kubernetes/field";
import { setAbsent } from "../kubernetes/remediation";
import { podMetadataOf, podSpecOf, podSpecPath } from "../kubernetes/workloads";

interface Config {
  /** Whether containers need a read-only root file system, which `restricted` does not ask for. */
  readOnlyRoot: boolean;
  /** Whether Pods may mount a token of the Kubernetes API. */
  serviceAccountTokens: boolean;
}

/** The `restricted` level of the Pod Security Standards, control by control, where only the program is known. */
export const podSecurity: ResourceValidationPolicy = {
  name: "pod-security",
  description: "Pods keep to the restricted Pod Security Standard, with a read-only root and without an API token.",
  configSchema: {
    properties: {
      readOnlyRoot: { type: "boolean", default: true, description: "Containers need a read-only root file system." },
      serviceAccountTokens: { type: "boolean", default: false, description: "Pods may mount a token of the API." },
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
      const pod = podSpecOf(args.type, resource);
      if (pod === undefined) return;
      const config = args.getConfig<Config>();
      checkPod(pod, config);
      checkAppArmorAnnotations(podMetadataOf(args.type, resource)?.at("annotations"));
      const windows = pod.at("os", "name").read()?.value === "windows";
      for (const list of ["initContainers", "containers", "ephemeralContainers"]) {
        for (const container of pod.at(list).items()) checkContainer(container, pod, windows, config);
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
  checkSharedContext(pod.at("securityContext"));
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
    .check((value) =>
      value === undefined || value === "RuntimeDefault" || value === "Localhost"
        ? []
        : ["not confined; use RuntimeDefault"],
    );
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
    value === "RuntimeDefault" || value === "Localhost"
      ? []
      : ["not confined, on the container or its Pod; use RuntimeDefault"],
  );
  checkCapabilities(context.at("capabilities"));
}

function checkCapabilities(capabilities: Field): void {
  const drop = capabilities.at("drop");
  const known = drop.read();
  if (known !== undefined && known.value === undefined) drop.violation("does not drop ALL; set it to [ALL]");
  const dropped = drop.items().map((item) => item.read());
  // With one that is not known, it may be that one.
  if (Array.isArray(known?.value) && !dropped.some((item) => item === undefined || item.value === "ALL")) {
    drop.violation("does not drop ALL; set it to [ALL]");
  }
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

/** Checks the container's value, or where it says none, its Pod's. */
function inherited(pod: Field, context: Field, keys: string[], problemsOf: (value: unknown) => Problems): void {
  const own = context.at(...keys).read();
  if (own === undefined) return;
  const effective = own.value === undefined ? pod.at("securityContext", ...keys).read() : own;
  if (effective !== undefined)
    for (const problem of problemsOf(effective.value)) context.at(...keys).violation(problem);
}

function notTrue(problem: string): (value: unknown) => Problems {
  return (value) => (value === true ? [problem] : []);
}
