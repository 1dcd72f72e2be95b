import { createRequire } from "node:module";

/** What the engine sends, from its bytes. */
interface Method {
  requestDeserialize: (bytes: Buffer) => object;
}

/** The level of a policy that may change a resource, in Pulumi's protocol. */
const REMEDIATE = 3;

/**
 * Has the SDK read a resource that is sent for remediations only when a policy is configured to remediate. The engine sends each
 * resource for it, whether one is or not, and reading it takes as long as reading it for the policies.
 */
export function skipUnusedRemediations(): void {
  const ofSdk = createRequire(createRequire(__filename).resolve("@pulumi/policy"));
  const { AnalyzerService } = ofSdk("@pulumi/pulumi/proto/analyzer_grpc_pb") as {
    AnalyzerService: Record<"configure" | "remediate", Method>;
  };
  const { AnalyzeRequest, AnalyzerResourceOptions } = ofSdk("@pulumi/pulumi/proto/analyzer_pb") as {
    AnalyzeRequest: new () => { setOptions: (options: object) => object };
    AnalyzerResourceOptions: new () => object;
  };
  const nothing = new AnalyzeRequest().setOptions(new AnalyzerResourceOptions());
  const { configure, remediate } = AnalyzerService;
  const read = { configure: configure.requestDeserialize, remediate: remediate.requestDeserialize };
  let remediates = false;
  configure.requestDeserialize = (bytes) => {
    const request = read.configure(bytes) as {
      getPolicyconfigMap: () => Map<string, { getEnforcementlevel: () => number }>;
    };
    remediates = false;
    request.getPolicyconfigMap().forEach((policy) => (remediates ||= policy.getEnforcementlevel() === REMEDIATE));
    return request;
  };
  remediate.requestDeserialize = (bytes) => (remediates ? read.remediate(bytes) : nothing);
}
