import * as pulumi from "@pulumi/pulumi";
import { ConfigMap } from "@pulumi/kubernetes/core/v1";

/** What a part's ConfigMap is made of. */
export interface ConfigMapArgs {
  namespace: pulumi.Input<string>;
  labels: Record<string, string>;
  /** The hash of its content, as configHash has it. */
  hash: pulumi.Input<string>;
  data: Record<string, pulumi.Input<string>>;
}

/** An immutable ConfigMap whose name ends in its content's hash: another content is another name, which rolls the Pods that mount it. */
export function immutableConfigMap(name: string, args: ConfigMapArgs, parent: pulumi.Resource): ConfigMap {
  const { namespace, labels, hash, data } = args;
  return new ConfigMap(
    name,
    { metadata: { name: pulumi.interpolate`${name}-${hash}`, namespace, labels }, immutable: true, data },
    { parent },
  );
}
