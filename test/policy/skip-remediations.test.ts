import assert from "node:assert/strict";
import {
  AnalyzeRequest,
  AnalyzerResourceOptions,
  ConfigureAnalyzerRequest,
  EnforcementLevel,
  PolicyConfig,
} from "@pulumi/pulumi/proto/analyzer_pb.js";
import { AnalyzerService } from "@pulumi/pulumi/proto/analyzer_grpc_pb.js";
import { Struct } from "google-protobuf/google/protobuf/struct_pb.js";
import { skipUnusedRemediations } from "../../policy/runtime/skip-remediations";

interface Method {
  requestDeserialize: (bytes: Buffer) => unknown;
}
const { configure, remediate } = AnalyzerService as unknown as Record<"configure" | "remediate", Method>;

function configured(...levels: EnforcementLevel[]): void {
  const request = new ConfigureAnalyzerRequest();
  for (const [index, level] of levels.entries()) {
    const policy = new PolicyConfig();
    policy.setEnforcementlevel(level);
    request.getPolicyconfigMap().set(`policy-${String(index)}`, policy);
  }
  configure.requestDeserialize(Buffer.from(request.serializeBinary()));
}

/** What the SDK is told of a resource that is sent for remediations. */
function seen(): AnalyzeRequest {
  const request = new AnalyzeRequest();
  request.setType("kubernetes:core/v1:ConfigMap");
  request.setOptions(new AnalyzerResourceOptions());
  request.setProperties(Struct.fromJavaScript({ data: "text" }));
  return remediate.requestDeserialize(Buffer.from(request.serializeBinary())) as AnalyzeRequest;
}

describe("a resource that is sent for remediations", () => {
  const sdks = { configure: configure.requestDeserialize, remediate: remediate.requestDeserialize };
  before(skipUnusedRemediations);
  after(() => {
    configure.requestDeserialize = sdks.configure;
    remediate.requestDeserialize = sdks.remediate;
  });

  it("is not read while no policy remediates", () => {
    configured(EnforcementLevel.MANDATORY, EnforcementLevel.ADVISORY, EnforcementLevel.DISABLED);
    assert.equal(seen().getProperties(), undefined);
    assert.notEqual(seen().getOptions(), undefined, "without options the SDK takes the CLI for an old one");
  });

  it("is read when one does, also beside others", () => {
    configured(EnforcementLevel.MANDATORY, EnforcementLevel.REMEDIATE);
    assert.deepEqual(seen().getProperties()?.toJavaScript(), { data: "text" });
    assert.equal(seen().getType(), "kubernetes:core/v1:ConfigMap");
  });

  it("goes by the last configuration", () => {
    configured(EnforcementLevel.REMEDIATE);
    configured(EnforcementLevel.MANDATORY);
    assert.equal(seen().getProperties(), undefined);
  });
});
