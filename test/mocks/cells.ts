import * as pulumi from "@pulumi/pulumi";
import { AgentStack, type AgentStackArgs } from "../../components/agent-stack";
import { EntryPreset } from "../../components/entry-presets";
import { Environment } from "../../components/environment";
import { SecretFrom } from "../../components/secrets";
import { providers, record, type Recorder } from "./support";

export const POD_CIDRS = ["10.42.0.0/16"];

/** Records a cell. */
export function recordCell(args: Partial<AgentStackArgs> = {}, name = "cell"): Promise<Recorder> {
  return record((recorder) => {
    new AgentStack(
      name,
      { environment: Environment.Dev, podCidrs: POD_CIDRS, ...args },
      { providers: providers(), transformations: [recorder.observe] },
    );
  });
}

/** A container, as far as tests look at it. */
export interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env: { name: string; value?: string; valueFrom?: unknown }[];
  resources: { requests: Record<string, string>; limits: Record<string, string> };
  securityContext: Record<string, unknown>;
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean; subPath?: string }[];
  startupProbe?: Record<string, unknown>;
  readinessProbe?: Record<string, unknown>;
  livenessProbe?: Record<string, unknown>;
  /** `Always` for a sidecar among the init containers. */
  restartPolicy?: string;
}

export interface PodSpec extends Record<string, unknown> {
  containers: Container[];
  initContainers?: Container[];
  volumes: Record<string, unknown>[];
}

/** The spec of the gateway's Pod. */
export function pod(recorder: Recorder, gateway = "cell-gateway"): PodSpec {
  const { spec } = recorder.get("kubernetes:apps/v1:StatefulSet", gateway).inputs as {
    spec: { template: { spec: PodSpec } };
  };
  return spec.template.spec;
}

/** The text of `openclaw.json`. */
export function configText(recorder: Recorder, gateway = "cell-gateway"): string {
  const { data } = recorder.get("kubernetes:core/v1:ConfigMap", `${gateway}-config`).inputs as {
    data: Record<string, string>;
  };
  return data["openclaw.json"] ?? "";
}

/** Secrets that must not appear anywhere but in inputs that are marked. */
export const CANARIES = {
  token: "canary-token",
  providerKey: "canary-provider-key",
  gitCredential: "canary-git-credential",
};

/** A cell with everything switched on, and every secret given as a value. */
export function everything(): Partial<AgentStackArgs> {
  return {
    region: "eu-west",
    tenant: "acme",
    tenancy: { appTeamGroups: ["acme-developers"] },
    gateway: {
      openclaw: {
        models: {
          primary: "litellm/chat",
          providers: { litellm: { baseUrl: "http://litellm:4000/v1", models: [{ id: "chat" }] } },
        },
      },
      token: { value: CANARIES.token },
      providerKeys: { litellm: { from: SecretFrom.Value, value: pulumi.secret(CANARIES.providerKey) } },
      egress: [{ cidr: "0.0.0.0/0" }],
      scheduling: { nodeSelector: { pool: "agents" }, tolerations: [{ key: "agents" }], priorityClassName: "high" },
    },
    entry: { host: "openclaw.example.com", ingress: { preset: EntryPreset.Nginx } },
    vault: {
      gitSync: {
        repository: "https://git.example.com/team/vault.git",
        credential: { value: CANARIES.gitCredential },
        egress: [{ cidr: "203.0.113.0/24" }],
      },
    },
  };
}
