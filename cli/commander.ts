// What we use of commander. The build bundles this file with it, as components/yaml.ts.
export { Command } from "commander";
