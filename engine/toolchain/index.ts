export { cacheDir, type ToolchainOptions } from "./context";
export { doctor, type DoctorRow } from "./doctor";
export { ensureTools } from "./ensure";
export { linksMarker, type Tool } from "./find";
export { ensureExternalSecretDefinition, ensureManifests, ensureStackDefinition, type Manifests } from "./manifests";
export { preparePulumiHome, type PulumiHome } from "./plugins";
export { clusterTools, pulumiTools, testTools, toolSpecs, userTools, type ToolName } from "./tools";
