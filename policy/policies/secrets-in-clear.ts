import { credentialsIn, hasCredential, isLiteralSecret, isSecretName } from "../kubernetes/credentials";
import { inspect, type Field } from "../kubernetes/field";
import type { ResourcePolicy } from "../kubernetes/policy";
import { isCustom, kubernetesType } from "../kubernetes/resource-type";
import { containersOf, podTemplatesOf } from "../kubernetes/workloads";

interface Config {
  /** Names of variables and keys that look like a credential's and are none. */
  notSecret: string[];
}

export const secretsInClear: ResourcePolicy = {
  name: "secrets-in-clear",
  description: "No credentials in ConfigMaps, in environment literals, in arguments or in annotations.",
  why: "Whoever may read a ConfigMap or a Pod, its logs or a backup of etcd reads the credential.",
  severity: "critical",
  remediationSteps: "Keep it in a Secret, and refer to that by valueFrom.secretKeyRef.",
  url: "https://kubernetes.io/docs/concepts/configuration/secret/",
  configSchema: {
    properties: {
      notSecret: {
        type: "array",
        items: { type: "string", minLength: 1 },
        default: [],
        description: "Names of variables and keys that look like a credential's and are none.",
      },
    },
  },
  validateResource: (args, report) => {
    const type = kubernetesType(args.type);
    if (type === undefined) return;
    const notSecret = new Set(args.getConfig<Config>().notSecret);
    const isSecret = (name: string) => isSecretName(name) && !notSecret.has(name);
    inspect(args, report, (resource) => {
      // A Secret may not have them there either.
      const templates = podTemplatesOf(args.type, resource).map(({ metadata }) => metadata);
      // A Pod's own metadata is its template's.
      for (const metadata of new Set([resource.at("metadata"), ...templates])) {
        for (const [, annotation] of metadata?.at("annotations").entries() ?? []) checkText(annotation, USE);
      }
      if (type.group === "core" && type.kind === "ConfigMap") checkConfigMap(resource, isSecret);
      const containers = containersOf(args.type, resource);
      for (const container of containers) {
        checkVariables(container, isSecret);
        checkArguments(container, isSecret);
      }
      if (isCustom(args.type)) checkCustom(resource.at("spec"), containers);
    });
  },
};

const USE = "keep it in a Secret and refer to that";

function checkText(field: Field, fix: string): void {
  field.check((value) => (typeof value === "string" && hasCredential(value) ? [`a credential in clear; ${fix}`] : []));
}

function checkConfigMap(configMap: Field, isSecret: (name: string) => boolean): void {
  for (const [name, field] of configMap.at("data").entries()) {
    field.check((value) => {
      if (typeof value !== "string") return [];
      // A passwd file has no passwords in it since there is a shadow file.
      if (name !== "passwd" && isSecret(name) && isLiteralSecret(value)) return [`a credential by its name; ${USE}`];
      return credentialsIn(value, isSecret).map((where) => `a credential in clear, ${where}; ${USE}`);
    });
  }
  for (const [, field] of configMap.at("binaryData").entries()) {
    field.check((value) =>
      typeof value === "string" && hasCredential(Buffer.from(value, "base64").toString("latin1"))
        ? [`a credential in clear; ${USE}`]
        : [],
    );
  }
}

/** By their shapes alone: what a custom resource calls a key or a token is mostly the name of one. */
function checkCustom(spec: Field, containers: Field[]): void {
  const checked = new Set(containers.flatMap((container) => container.objects()));
  for (const object of spec.objects()) {
    if (checked.has(object)) continue;
    for (const [, field] of object.entries()) for (const text of [field, ...field.items()]) checkText(text, USE);
  }
}

function checkVariables(container: Field, isSecret: (name: string) => boolean): void {
  for (const variable of container.at("env").items()) {
    const name = variable.at("name").read()?.value;
    variable.at("value").check((value) => {
      if (typeof value !== "string") return [];
      if (typeof name === "string" && isSecret(name) && isLiteralSecret(value)) {
        return ["a credential by the variable's name; take it from a Secret by valueFrom.secretKeyRef"];
      }
      return hasCredential(value) ? ["a credential in clear; take it from a Secret by valueFrom.secretKeyRef"] : [];
    });
  }
}

/** `--token=value`, `--token value`, or a credential anywhere. */
function checkArguments(container: Field, isSecret: (name: string) => boolean): void {
  for (const list of ["command", "args"]) {
    let flag = "";
    for (const argument of container.at(list).items()) {
      const value = argument.read()?.value;
      const text = typeof value === "string" ? value : "";
      const { name = "", own } = /^--?(?<name>[\w.-]+?)(=(?<own>.*))?$/s.exec(text)?.groups ?? {};
      const literal =
        name === "" ? isSecret(flag) && isLiteralSecret(text) : isSecret(name) && isLiteralSecret(own ?? "");
      if (literal || hasCredential(text)) argument.violation(`a credential in clear; ${USE}`);
      flag = own === undefined ? name : "";
    }
  }
}
