import * as pulumi from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { immutableConfigMap } from "./config-map";
import { VAULT_PATH } from "./gateway-pod";
import { objectLabels, Owner, selectorLabels } from "./labels";
import { egressToPart } from "./network";
import { endpointUrl, type Endpoint, type SeededPartArgs } from "./part";
import { NODE_UID, restrictedContainer } from "./pod-security";
import { registeredArgs } from "./registered-args";
import type { ResourceOptions } from "./resources";
import { INDEX_PATH, planSearch, PROGRAM_PATH, SEARCH_PORT } from "./search-plan";
import { MODEL_KEY_ENV, MODEL_URL_ENV, TOKEN_ENV } from "./search/settings";
import {
  provideSecret,
  sealed,
  secretEnv,
  SecretFrom,
  secretVersionsAnnotation,
  type SecretKey,
  type SecretOptions,
  type SecretReference,
} from "./secrets";
import { VAULT_NOTES, type ClaimOptions, volumeClaim } from "./volume-claims";
import { workload } from "./workload";

/** What a team may tune of its search service. */
export interface SearchOptions {
  /** Image to run, with tag and digest: one with Node 24 and OpenClaw's libraries in `/app`. Default: the gateway's, which its node has already. */
  image?: string;
  /** Requests and limits. Default: 50m and 192Mi, up to 1 and 512Mi; Node's heap gets half of the memory, which is at least 256Mi. */
  resources?: ResourceOptions;
  /** The volume of the index. It can be lost: it is built again from the vault. Default: 2Gi of the default StorageClass. */
  index?: ClaimOptions;
  /** Seconds between two looks at the whole vault; a change that the Pod notices is indexed a second later anyway. Default: 300. */
  refreshSeconds?: number;
  /** The model proxy's model that turns text into vectors. Changing it builds the index anew. Default: none, so notes are found by their words alone. */
  embeddingModel?: string;
  /** The length of the vectors, for a model that offers several. Default: the model's own. */
  dimensions?: number;
  /** The model proxy's model that puts the best 20 notes into their final order. Default: none. */
  rerankModel?: string;
  /** The longest section of a note that is indexed in one piece, in characters: about a quarter of that in tokens. Default: 1500. */
  chunkChars?: number;
  /** Larger notes are left out, in bytes. Default: 1048576. */
  maxNoteBytes?: number;
  /** The longest query, in characters. Default: 1000. */
  maxQueryChars?: number;
  /** The most notes in one answer. Default: 10. */
  maxResults?: number;
  /** The token that clients present. Default: generated. */
  token?: SecretOptions;
}

/** A model proxy as the search service uses it. */
export interface SearchModelProxy {
  /** Where it listens; what it offers is under `/v1`. */
  endpoint: Endpoint;
  /** The key that the search service presents; it needs the embedding and the rerank model, and no other. */
  key: SecretKey;
}

export interface SearchArgs extends SearchOptions, SeededPartArgs {
  /** The claim of the vault, whose notes are indexed. */
  vaultClaim: pulumi.Input<string>;
  /** Who computes embeddings and reranks. Default: nobody. */
  modelProxy?: SearchModelProxy;
}

/**
 * Hybrid search over the vault: BM25 and vectors in one query, fused by rank, as an MCP server for the gateway.
 *
 * One Pod, the single writer of its index (SQLite). It reads the notes and nothing else of the cell: the gateway's own
 * state, with its memory, is a live SQLite database on another volume, which OpenClaw's built-in memory search covers.
 */
export class Search extends pulumi.ComponentResource {
  static readonly __pulumiType = "clawfleet:index:Search";

  /** Where it listens; its MCP server is at `/mcp`. */
  readonly endpoint: Endpoint;
  /** The token that clients present. */
  readonly token: SecretReference;
  /** The StatefulSet's name. */
  readonly statefulSet: pulumi.Output<string>;

  constructor(name: string, args: SearchArgs, opts?: pulumi.ComponentResourceOptions) {
    super(Search.__pulumiType, name, registeredArgs({ ...args, token: args.token && sealed(args.token) }), opts);
    const instance = args.instance ?? name;
    const { namespace, modelProxy, externalSecrets, secretSeed } = args;
    const plan = planSearch(args, { vault: true, modelProxy: modelProxy !== undefined, externalSecrets });
    const labels = objectLabels({ instance, component: "search", owner: Owner.Platform, extra: args.labels });

    this.token = provideSecret(
      `${name}-token`,
      args.token ?? {},
      { env: TOKEN_ENV, namespace, labels, defaultFrom: SecretFrom.Generated, externalSecrets, secretSeed },
      this,
    );
    const configMap = immutableConfigMap(
      `${name}-config`,
      { namespace, labels, hash: plan.filesHash, data: plan.files },
      this,
    );
    const index = volumeClaim(`${name}-index`, { namespace, labels, spec: plan.indexClaim, retain: args.retain }, this);
    const secrets = { [TOKEN_ENV]: this.token, ...(modelProxy && { [MODEL_KEY_ENV]: modelProxy.key }) };
    const { controller } = workload(
      name,
      {
        part: args,
        component: "search",
        kind: "StatefulSet",
        uid: NODE_UID,
        ports: [{ name: "http", port: SEARCH_PORT }],
        egress: modelProxy === undefined ? [] : [egressToPart(instance, modelProxy.endpoint)],
        podAnnotations: secretVersionsAnnotation(secrets),
        podSpec: { affinity: besideTheGateway(instance) },
        containers: [
          {
            name: "search",
            image: plan.image,
            imagePullPolicy: "IfNotPresent",
            command: ["node", `${PROGRAM_PATH}/main.js`, `${PROGRAM_PATH}/settings.json`],
            env: [
              // The image's libraries: the MCP SDK is then the one that the gateway is a client with.
              { name: "NODE_PATH", value: "/app/node_modules" },
              { name: "NODE_OPTIONS", value: `--max-old-space-size=${String(plan.heapMi)}` },
              ...(modelProxy === undefined
                ? []
                : [{ name: MODEL_URL_ENV, value: endpointUrl(modelProxy.endpoint, "/v1") }]),
              ...Object.entries(secrets).map(([env, key]) => secretEnv(env, key)),
            ],
            ports: [{ name: "http", containerPort: SEARCH_PORT }],
            resources: plan.resources,
            securityContext: restrictedContainer(),
            ...probes,
            volumeMounts: [
              { name: "config", mountPath: PROGRAM_PATH, readOnly: true },
              // At the gateway's path, so that the paths in answers are the gateway's too.
              { name: "vault", mountPath: VAULT_PATH, subPath: VAULT_NOTES, readOnly: true },
              { name: "index", mountPath: INDEX_PATH },
              { name: "tmp", mountPath: "/tmp" },
            ],
          },
        ],
        volumes: [
          { name: "config", configMap: { name: configMap.metadata.name } },
          { name: "vault", persistentVolumeClaim: { claimName: args.vaultClaim } },
          { name: "index", persistentVolumeClaim: { claimName: index.metadata.name } },
          // SQLite sorts what is too large for its cache in files.
          { name: "tmp", emptyDir: { sizeLimit: "64Mi" } },
        ],
      },
      this,
    );

    this.endpoint = { component: "search", host: name, port: SEARCH_PORT };
    this.statefulSet = controller.metadata.name;
    this.registerOutputs({ statefulSet: this.statefulSet });
  }
}

/** One node at a time mounts the vault, and the gateway's Pod mounts it: search has to be on that node. */
function besideTheGateway(instance: string): types.input.core.v1.Affinity {
  return {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        {
          labelSelector: { matchLabels: selectorLabels(instance, "gateway") },
          topologyKey: "kubernetes.io/hostname",
        },
      ],
    },
  };
}

const probe = (path: string) => ({ httpGet: { path, port: "http" }, timeoutSeconds: 5 });

const probes = {
  // Ready means in step with the vault's words: a new index of 1,000 notes takes seconds, of 100,000 minutes.
  startupProbe: { ...probe("/livez"), periodSeconds: 2, failureThreshold: 60 },
  readinessProbe: { ...probe("/readyz"), periodSeconds: 10, failureThreshold: 3 },
  // Fails when rounds stop: a volume that hangs is not helped by waiting.
  livenessProbe: { ...probe("/livez"), periodSeconds: 20, failureThreshold: 3 },
};
