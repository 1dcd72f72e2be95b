// What we use of yaml. The build bundles this file with the library: to find 70 files takes longer than to run them.
export {
  Document,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parse,
  parseDocument,
  stringify,
  visit,
} from "yaml";
export type { Alias, Node, ToStringOptions } from "yaml";
