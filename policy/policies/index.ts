import type { ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import { exemptable, exemptableStack } from "../kubernetes/exemptions";
import { entryPrivate } from "./entry-private";
import { imagesPinned } from "./images-pinned";
import { networkDefaultDeny } from "./network-default-deny";
import { podSecurity } from "./pod-security";
import { providerExplicit } from "./provider-explicit";
import { resourcesLimited } from "./resources-limited";
import { stateBlockStorage } from "./state-block-storage";

/** The policies that look at one resource at a time, at its inputs. */
export const resourcePolicies: ResourceValidationPolicy[] = [
  imagesPinned,
  podSecurity,
  resourcesLimited,
  entryPrivate,
  providerExplicit,
  stateBlockStorage,
].map(exemptable);

/** The policies that look at all resources of a stack together. */
export const stackPolicies: StackValidationPolicy[] = [networkDefaultDeny].map(exemptableStack);

/** Every policy of the pack. */
export const policies = [...resourcePolicies, ...stackPolicies];
