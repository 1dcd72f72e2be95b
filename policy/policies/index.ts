import type { ResourceValidationPolicy } from "@pulumi/policy";
import { entryPrivate } from "./entry-private";
import { imagesPinned } from "./images-pinned";
import { providerExplicit } from "./provider-explicit";
import { resourcesLimited } from "./resources-limited";
import { stateBlockStorage } from "./state-block-storage";

/** Every policy of the pack. */
export const policies: ResourceValidationPolicy[] = [
  imagesPinned,
  resourcesLimited,
  entryPrivate,
  providerExplicit,
  stateBlockStorage,
];
