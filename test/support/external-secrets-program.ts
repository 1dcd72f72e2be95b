import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { Environment } from "../../components/environment";
import { OpenClawGateway } from "../../components/openclaw-gateway";
import { Tenancy } from "../../components/tenancy";
import { Vault } from "../../components/vault";

/** A cell's gateway with all of its secrets in a store: the program of test/engine/external-secrets.test.ts. */
const config = new pulumi.Config();
const opts: pulumi.ComponentResourceOptions = {
  providers: [new k8s.Provider("cluster", { kubeconfig: config.require("kubeconfig"), context: "east" })],
};
const tenancy = new Tenancy("acme", {}, opts);
const { namespace } = tenancy;
const inCell = { ...opts, dependsOn: tenancy };
const vault = new Vault("acme-vault", { namespace, instance: "acme" }, inCell);
const gateway = new OpenClawGateway(
  "acme-gateway",
  {
    namespace,
    instance: "acme",
    environment: Environment.Prod,
    externalSecrets: { store: "company" },
    token: { version: config.getNumber("tokenVersion") ?? 1 },
    openclaw: { models: { providers: { openai: { baseUrl: "https://models.example.com", models: [{ id: "m" }] } } } },
    vaultClaim: vault.claim,
    vaultGitSync: { repository: "https://git.example.com/vault.git", credential: {}, egress: [] },
  },
  inCell,
);

/** Empty, since Pulumi never reads it. */
export const token: pulumi.Output<string> = gateway.token;
