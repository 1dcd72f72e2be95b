import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import fc from "fast-check";
import { RegisterResourceResponse, Result } from "@pulumi/pulumi/proto/resource_pb.js";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";
import { projectRoot } from "../../cli/workspace";

describe("the reading of a resource's outputs", () => {
  const sdk = RegisterResourceResponse as { deserializeBinary: (bytes: Uint8Array) => RegisterResourceResponse };
  const bySdk = sdk.deserializeBinary;
  before(() => {
    createRequire(__filename)(join(projectRoot, "stacks", "read-outputs.js"));
  });
  after(() => {
    sdk.deserializeBinary = bySdk;
  });

  const answer = (object: Record<string, JavaScriptValue> | undefined) => {
    const response = new RegisterResourceResponse();
    response.setUrn("urn:pulumi:dev::clawfleet::kubernetes:core/v1:ConfigMap::a");
    response.setId("a");
    response.setStable(true);
    response.setStablesList(["metadata", "data"]);
    response.setResult(Result.SKIP);
    response
      .getPropertydependenciesMap()
      .set("data", new RegisterResourceResponse.PropertyDependencies().setUrnsList(["urn:a", "urn:b"]));
    if (object !== undefined) response.setObject(Struct.fromJavaScript(object));
    return response.serializeBinary();
  };

  it("gives what the SDK reads, whatever the outputs are", () => {
    const value = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<JavaScriptValue>;
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "grapheme" }), value), (object) => {
        const bytes = answer(object);
        const [ours, sdks] = [RegisterResourceResponse.deserializeBinary(bytes), bySdk(bytes)];
        assert.deepEqual(ours.getObject()?.toJavaScript(), sdks.getObject()?.toJavaScript());
      }),
      { numRuns: 1000 },
    );
  });

  it("leaves all that is not an output as it was", () => {
    const objects: (Record<string, JavaScriptValue> | undefined)[] = [undefined, {}, { data: { key: "value" } }];
    for (const object of objects) {
      const bytes = answer(object);
      const read = (response: RegisterResourceResponse) => ({
        urn: response.getUrn(),
        id: response.getId(),
        stable: response.getStable(),
        stables: response.getStablesList(),
        result: response.getResult(),
        dependencies: response.getPropertydependenciesMap().get("data")?.getUrnsList(),
        hasObject: response.hasObject(),
      });
      assert.deepEqual(read(RegisterResourceResponse.deserializeBinary(bytes)), read(bySdk(bytes)));
    }
  });
});
