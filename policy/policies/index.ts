import type { ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import { exemptable, exemptableStack } from "../kubernetes/exemptions";
import { apisServed } from "./apis-served";
import { disruptionBudgeted } from "./disruption-budgeted";
import { entryPrivate } from "./entry-private";
import { imagesPinned } from "./images-pinned";
import { labelsPresent } from "./labels-present";
import { networkDefaultDeny } from "./network-default-deny";
import { openclawConfig } from "./openclaw-config";
import { openclawGateway } from "./openclaw-gateway";
import { podSecurity } from "./pod-security";
import { probesPresent } from "./probes-present";
import { providerExplicit } from "./provider-explicit";
import { rbacNarrow } from "./rbac-narrow";
import { replicasSpread } from "./replicas-spread";
import { resourcesLimited } from "./resources-limited";
import { secretsInClear } from "./secrets-in-clear";
import { singleWriter } from "./single-writer";
import { stateBlockStorage } from "./state-block-storage";
import { stateKept } from "./state-kept";

/** The policies that look at one resource at a time, at its inputs. */
export const resourcePolicies: ResourceValidationPolicy[] = [
  imagesPinned,
  podSecurity,
  resourcesLimited,
  entryPrivate,
  providerExplicit,
  secretsInClear,
  openclawConfig,
  rbacNarrow,
  probesPresent,
  replicasSpread,
  stateBlockStorage,
  stateKept,
  labelsPresent,
  apisServed,
].map(exemptable);

/** The policies that look at all resources of a stack together. */
export const stackPolicies: StackValidationPolicy[] = [
  networkDefaultDeny,
  openclawGateway,
  disruptionBudgeted,
  singleWriter,
].map(exemptableStack);

/** Every policy of the pack. */
export const policies = [...resourcePolicies, ...stackPolicies];
