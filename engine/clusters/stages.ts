import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";

/** Name of the GatewayClass, and of the default IngressClass, that simulated controllers serve. */
export const LOCAL_CLASS = "clawfleet-local";
/** IngressClasses whose Ingresses get an address. As on a real cluster, one of an unknown class gets none. */
export const INGRESS_CLASSES = ["nginx", LOCAL_CLASS] as const;
/** Both the GatewayClass's controllerName and the one in a route's status. */
export const CONTROLLER_NAME = "clawfleet.dev/local";
/** Provisioner of the default StorageClass. */
export const PROVISIONER = "clawfleet.dev/volume";

/** Stages of the kwok module: Nodes and Pods become Ready at once, Pods of Jobs complete, deleted Pods go. */
const MODULE_STAGES = [
  "node/fast/node-initialize.yaml",
  "pod/fast/pod-ready.yaml",
  "pod/fast/pod-complete.yaml",
  "pod/fast/pod-delete.yaml",
];

interface StageOptions {
  name: string;
  /** apiVersion of the resource. */
  apiGroup: string;
  kind: string;
  /** jq expressions that must all yield true for the stage to apply. */
  when: readonly string[];
  step: object;
}

/** The file for kwok's --config: what becomes of the objects that no real kubelet or cloud takes care of. */
export function stagesFile(kwokStages: string, entryAddress: string): string {
  const fromModule = MODULE_STAGES.map((file) => readFileSync(join(kwokStages, file), "utf8"));
  const ours = [...addressStages(entryAddress), ...gatewayStages(entryAddress), ...volumeStages()];
  return [...fromModule, ...ours.map((stage) => stringify(stage))].join("\n---\n");
}

function stage({ name, apiGroup, kind, when, step }: StageOptions): object {
  return {
    apiVersion: "kwok.x-k8s.io/v1alpha1",
    kind: "Stage",
    metadata: { name },
    spec: {
      resourceRef: { apiGroup, kind },
      selector: {
        matchExpressions: [".metadata.deletionTimestamp == null", ...when].map((key) => ({
          jq: { key, operator: "In", values: ["true"] },
        })),
      },
      steps: [step],
    },
  };
}

function statusPatch(template: string): object {
  return { patch: { root: "status", subresource: "status", template } };
}

/** Ingresses of known classes share one address, as behind one controller; a LoadBalancer Service has its own. */
function addressStages(entryAddress: string): object[] {
  const classes = INGRESS_CLASSES.map((name) => `.spec.ingressClassName == "${name}"`).join(" or ");
  return [
    stage({
      name: "ingress-address",
      apiGroup: "networking.k8s.io/v1",
      kind: "Ingress",
      when: [classes, ".status.loadBalancer.ingress == null"],
      step: statusPatch(`loadBalancer: {ingress: [{ip: ${entryAddress}}]}`),
    }),
    stage({
      name: "service-address",
      apiGroup: "v1",
      kind: "Service",
      when: [`.spec.type == "LoadBalancer"`, ".spec.clusterIP != null", ".status.loadBalancer.ingress == null"],
      // The Service's own part of its cluster's range within 198.18.0.0/15 (RFC 2544), which nothing routes.
      step: statusPatch(
        `loadBalancer: {ingress: [{ip: {{ .spec.clusterIP | splitList "." | rest | rest | join "." | printf "198.18.%s" }}}]}`,
      ),
    }),
  ];
}

/** True unless the condition is True for this very generation of the spec. */
function isNot(conditions: string, type: string): string {
  return `.metadata.generation as $now | [${conditions}[]? | select(.type == "${type}" and .status == "True" and .observedGeneration == $now)] | length == 0`;
}

function conditions(types: readonly string[], indent: string): string {
  return types
    .map((type) =>
      [
        `${indent}- type: ${type}`,
        `${indent}  status: "True"`,
        `${indent}  reason: ${type}`,
        `${indent}  message: ""`,
        `${indent}  observedGeneration: {{ $generation }}`,
        `${indent}  lastTransitionTime: {{ $now | Quote }}`,
      ].join("\n"),
    )
    .join("\n");
}

const PREAMBLE = `{{ $now := Now }}{{ $generation := .metadata.generation }}`;

function gatewayStages(entryAddress: string): object[] {
  const apiGroup = "gateway.networking.k8s.io/v1";
  return [
    stage({
      name: "gatewayclass-accepted",
      apiGroup,
      kind: "GatewayClass",
      when: [`.spec.controllerName == "${CONTROLLER_NAME}"`, isNot(".status.conditions", "Accepted")],
      step: statusPatch(`${PREAMBLE}\nconditions:\n${conditions(["Accepted"], "")}`),
    }),
    stage({
      name: "gateway-programmed",
      apiGroup,
      kind: "Gateway",
      when: [`.spec.gatewayClassName == "${LOCAL_CLASS}"`, isNot(".status.conditions", "Programmed")],
      step: statusPatch(`${PREAMBLE}
addresses: [{type: IPAddress, value: ${entryAddress}}]
conditions:
${conditions(["Accepted", "Programmed"], "")}
listeners:
{{ range .spec.listeners }}
- name: {{ .name | Quote }}
  attachedRoutes: 0
  supportedKinds: [{group: gateway.networking.k8s.io, kind: HTTPRoute}]
  conditions:
${conditions(["Accepted", "Programmed", "ResolvedRefs"], "  ")}
{{ end }}`),
    }),
    stage({
      name: "httproute-accepted",
      apiGroup,
      kind: "HTTPRoute",
      when: [".spec.parentRefs != null", isNot(".status.parents[]?.conditions", "Accepted")],
      step: statusPatch(`${PREAMBLE}
parents:
{{ range .spec.parentRefs }}
- controllerName: ${CONTROLLER_NAME}
  parentRef:
    {{ YAML . 2 }}
  conditions:
${conditions(["Accepted", "ResolvedRefs"], "  ")}
{{ end }}`),
    }),
  ];
}

/**
 * A provisioner that makes PersistentVolumes which the real controller then binds. The in-tree host-path provisioner
 * would write to a fixed folder outside of ours, and nothing ever reads the volume of a simulated Pod.
 */
function volumeStages(): object[] {
  const ours = `.metadata.annotations["volume.kubernetes.io/storage-provisioner"] == "${PROVISIONER}"`;
  return [
    stage({
      name: "volume-provision",
      apiGroup: "v1",
      kind: "PersistentVolumeClaim",
      when: [ours, ".spec.volumeName == null"],
      step: {
        apply: {
          template: `
apiVersion: v1
kind: PersistentVolume
metadata:
  name: pvc-{{ .metadata.uid }}
  annotations: {pv.kubernetes.io/provisioned-by: ${PROVISIONER}}
spec:
  accessModes:
    {{ YAML .spec.accessModes 2 }}
  capacity: {storage: {{ .spec.resources.requests.storage | Quote }}}
  persistentVolumeReclaimPolicy: Delete
  storageClassName: {{ .spec.storageClassName | Quote }}
  volumeMode: {{ .spec.volumeMode | default "Filesystem" }}
  claimRef:
    apiVersion: v1
    kind: PersistentVolumeClaim
    name: {{ .metadata.name | Quote }}
    namespace: {{ .metadata.namespace | Quote }}
    uid: {{ .metadata.uid | Quote }}
  hostPath: {path: /var/lib/clawfleet/{{ .metadata.uid }}}
`,
        },
      },
    }),
    stage({
      name: "volume-delete",
      apiGroup: "v1",
      kind: "PersistentVolume",
      when: [
        `.metadata.annotations["pv.kubernetes.io/provisioned-by"] == "${PROVISIONER}"`,
        `.spec.persistentVolumeReclaimPolicy == "Delete"`,
        `.status.phase == "Released"`,
      ],
      step: { delete: true },
    }),
  ];
}
