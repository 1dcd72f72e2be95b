import { exemptable, exemptableStack } from "../kubernetes/exemptions";
import type { ResourcePolicy, StackPolicy } from "../kubernetes/policy";
import { apisServed } from "./apis-served";
import { cellGuarded } from "./cell-guarded";
import { disruptionBudgeted } from "./disruption-budgeted";
import { entryInternal } from "./entry-internal";
import { entryPrivate } from "./entry-private";
import { imagesPinned } from "./images-pinned";
import { labelsPresent } from "./labels-present";
import { namespaceBounded } from "./namespace-bounded";
import { networkDefaultDeny } from "./network-default-deny";
import { objectsVisible } from "./objects-visible";
import { openclawConfig } from "./openclaw-config";
import { openclawGateway } from "./openclaw-gateway";
import { podSecurity } from "./pod-security";
import { previewDecided } from "./preview-decided";
import { probesPresent } from "./probes-present";
import { providerExplicit } from "./provider-explicit";
import { rbacNarrow } from "./rbac-narrow";
import { replicasAutoscaled } from "./replicas-autoscaled";
import { replicasSpread } from "./replicas-spread";
import { resourcesLimited } from "./resources-limited";
import { secretsInClear } from "./secrets-in-clear";
import { singleWriter } from "./single-writer";
import { stateBlockStorage } from "./state-block-storage";
import { stateKept } from "./state-kept";

/** The policies that look at one resource at a time, at its inputs. */
export const resourcePolicies: ResourcePolicy[] = [
  imagesPinned,
  podSecurity,
  resourcesLimited,
  entryPrivate,
  entryInternal,
  providerExplicit,
  secretsInClear,
  openclawConfig,
  cellGuarded,
  rbacNarrow,
  probesPresent,
  replicasSpread,
  stateBlockStorage,
  stateKept,
  labelsPresent,
  apisServed,
  objectsVisible,
].map(exemptable);

/** The policies that look at all resources of a stack together. The last one counts what all others could not decide. */
export const stackPolicies: StackPolicy[] = [
  networkDefaultDeny,
  namespaceBounded,
  openclawGateway,
  disruptionBudgeted,
  replicasAutoscaled,
  singleWriter,
  previewDecided,
].map(exemptableStack);

/** Every policy of the pack. */
export const policies = [...resourcePolicies, ...stackPolicies];
