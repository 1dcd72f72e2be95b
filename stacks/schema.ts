import * as z from "zod";
import type { AgentStackArgs } from "../components/agent-stack";
import { TlsFrom } from "../components/certificate";
import { EntryPreset } from "../components/entry-presets";
import { Environment } from "../components/environment";
import {
  OpenClawControlUiMode,
  OpenClawDmScope,
  OpenClawEnvironmentColor,
  OpenClawLogLevel,
  OpenClawModelApi,
  OpenClawModelInput,
  OpenClawToolProfile,
  type OpenClawOptions,
} from "../components/openclaw/options";
import { SecretFrom } from "../components/secrets";

/*
 * The shape of a stack's config. Each object mirrors the args of a component, and refuses what it does not know.
 */

const name = z
  .string()
  .regex(
    /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/,
    "use at most 32 lower-case letters, digits and hyphens, beginning with a letter",
  );
/** A namespace: its name is a DNS label. */
const namespace = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "use at most 63 lower-case letters, digits and hyphens");
/** A region: it becomes a label's value. */
const region = z
  .string()
  .regex(/^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/, "use at most 63 letters, digits, and - _ . between them");
const cidr = z.union([z.cidrv4(), z.cidrv6()], "write an address range like 203.0.113.0/24");
const labels = z.record(z.string(), z.string());
const ports = z.array(z.int().min(1).max(65535)).min(1);
const egress = z.array(z.strictObject({ cidr, ports: ports.optional() }));
const claim = z.strictObject({ size: z.string().optional(), storageClass: z.string().optional() });

/** A secret: as the component's, but the value is named by its key in the stack's config, set with `pulumi config set --secret secrets:KEY`. */
const secret = z.strictObject({
  from: z.enum(SecretFrom).optional(),
  configKey: z.string().optional(),
  existingName: z.string().optional(),
  existingKey: z.string().optional(),
  version: z.int().min(1).optional(),
});

const openclaw = z.strictObject({
  controlUi: z
    .strictObject({
      mode: z.enum(OpenClawControlUiMode).optional(),
      userHeader: z.string().optional(),
      requiredHeaders: z.array(z.string()).optional(),
      allowUsers: z.array(z.string()).optional(),
      deviceAutoApprove: z.boolean().optional(),
      label: z.string().optional(),
      color: z.enum(OpenClawEnvironmentColor).optional(),
    })
    .optional(),
  authRateLimit: z
    .strictObject({ maxAttempts: z.int().optional(), windowMs: z.int().optional(), lockoutMs: z.int().optional() })
    .optional(),
  models: z
    .strictObject({
      primary: z.string().optional(),
      fallbacks: z.array(z.string()).optional(),
      providers: z
        .record(
          z.string(),
          z.strictObject({
            baseUrl: z.url(),
            api: z.enum(OpenClawModelApi).optional(),
            apiKey: z.boolean().optional(),
            models: z.array(
              z.strictObject({
                id: z.string(),
                name: z.string().optional(),
                reasoning: z.boolean().optional(),
                input: z.array(z.enum(OpenClawModelInput)).optional(),
                contextWindow: z.int().optional(),
                maxTokens: z.int().optional(),
              }),
            ),
          }),
        )
        .optional(),
    })
    .optional(),
  http: z.strictObject({ chatCompletions: z.boolean().optional(), responses: z.boolean().optional() }).optional(),
  tools: z
    .strictObject({
      profile: z.enum(OpenClawToolProfile).optional(),
      allow: z.array(z.string()).optional(),
      alsoAllow: z.array(z.string()).optional(),
      deny: z.array(z.string()).optional(),
    })
    .optional(),
  logLevel: z.enum(OpenClawLogLevel).optional(),
  dmScope: z.enum(OpenClawDmScope).optional(),
  memorySearch: z
    .strictObject({
      enabled: z.boolean().optional(),
      provider: z.string().optional(),
      model: z.string().optional(),
      extraPaths: z.array(z.string()).optional(),
    })
    .optional(),
  cron: z.boolean().optional(),
  extraConfig: z.string().optional(),
}) satisfies z.ZodType<OpenClawOptions>;

const gateway = z.strictObject({
  openclaw: openclaw.optional(),
  image: z.string().optional(),
  resources: z
    .strictObject({
      requestsCpu: z.string().optional(),
      requestsMemory: z.string().optional(),
      limitsCpu: z.string().optional(),
      limitsMemory: z.string().optional(),
      limitsEphemeralStorage: z.string().optional(),
    })
    .optional(),
  state: claim.optional(),
  token: secret.optional(),
  providerKeys: z.record(z.string(), secret).optional(),
  egress: egress.optional(),
  scheduling: z
    .strictObject({
      nodeSelector: labels.optional(),
      tolerations: z
        .array(z.strictObject({ key: z.string(), value: z.string().optional(), effect: z.string().optional() }))
        .optional(),
      priorityClassName: z.string().optional(),
    })
    .optional(),
  terminationGracePeriodSeconds: z.int().optional(),
});

const entry = z.strictObject({
  host: z.string(),
  ingress: z
    .strictObject({
      preset: z.enum(EntryPreset).optional(),
      className: z.string().optional(),
      annotations: labels.optional(),
    })
    .optional(),
  gatewayApi: z
    .strictObject({
      preset: z.enum(EntryPreset).optional(),
      className: z.string().optional(),
      sharedGateway: z
        .strictObject({ name: z.string(), namespace: z.string(), sectionName: z.string().optional() })
        .optional(),
    })
    .optional(),
  tls: z
    .strictObject({
      from: z.enum(TlsFrom).optional(),
      issuerName: z.string().optional(),
      issuerKind: z.enum(["Issuer", "ClusterIssuer"]).optional(),
      secretName: z.string().optional(),
      cloudCertificate: z.string().optional(),
    })
    .optional(),
  proxy: z
    .strictObject({
      cidrs: z.array(z.string()).optional(),
      namespace: z.string().optional(),
      podLabels: labels.optional(),
    })
    .optional(),
}) satisfies z.ZodType<AgentStackArgs["entry"]>;

/** The settings of a cell, as a stack's config gives them. */
export const cellSchema = z.strictObject({
  namespace: namespace.optional(),
  tenant: name.optional(),
  tenancy: z
    .strictObject({
      quota: z
        .strictObject({
          requestsCpu: z.string().optional(),
          requestsMemory: z.string().optional(),
          limitsCpu: z.string().optional(),
          limitsMemory: z.string().optional(),
          limitsEphemeralStorage: z.string().optional(),
          requestsStorage: z.string().optional(),
          pods: z.int().optional(),
          persistentVolumeClaims: z.int().optional(),
        })
        .optional(),
      appTeamGroups: z.array(z.string()).optional(),
    })
    .optional(),
  gateway: gateway.optional(),
  entry: entry.optional(),
  vault: z
    .strictObject({
      enabled: z.boolean().optional(),
      volume: claim.optional(),
      gitSync: z
        .strictObject({
          repository: z.string(),
          branch: z.string().optional(),
          intervalSeconds: z.int().optional(),
          username: z.string().optional(),
          credential: secret,
          egress,
        })
        .optional(),
    })
    .optional(),
  retain: z.boolean().optional(),
});

/** A cluster that the stack has a cell on. */
export const clusterSchema = z
  .strictObject({
    id: name,
    region,
    embedded: z.boolean().optional(),
    kubeconfig: z.string().optional(),
    context: z.string().optional(),
    uid: z.uuid().optional(),
    podCidrs: z.array(cidr).optional(),
    cell: cellSchema.optional(),
  })
  .refine((cluster) => !(cluster.embedded && (cluster.kubeconfig ?? cluster.context) !== undefined), {
    message: "an embedded cluster has no kubeconfig and no context: remove them, or embedded",
  });

/** A stack's whole config, below `clawfleet:`. */
export const stackSchema = z.strictObject({
  environment: z.enum(Environment),
  clusters: z.array(clusterSchema).min(1, "list at least one cluster"),
  cell: cellSchema.optional(),
});

export type CellConfig = z.infer<typeof cellSchema>;
export type ClusterConfig = z.infer<typeof clusterSchema>;
export type StackConfig = z.infer<typeof stackSchema>;
export type SecretConfig = z.infer<typeof secret>;
