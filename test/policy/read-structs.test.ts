import assert from "node:assert/strict";
import fc from "fast-check";
import { RegisterResourceResponse, Result } from "@pulumi/pulumi/proto/resource_pb.js";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";
import { readStructsPlainly } from "../../policy/runtime/read-structs";

describe("the reading of what the engine sends", () => {
  const message = Struct as { deserializeBinaryFromReader: unknown };
  const bySdk = message.deserializeBinaryFromReader;
  const read = (bytes: Uint8Array) => RegisterResourceResponse.deserializeBinary(bytes);
  /** As without us. */
  const readBySdk = (bytes: Uint8Array) => {
    const ours = message.deserializeBinaryFromReader;
    message.deserializeBinaryFromReader = bySdk;
    try {
      return read(bytes);
    } finally {
      message.deserializeBinaryFromReader = ours;
    }
  };
  before(() => {
    readStructsPlainly(__filename);
  });
  after(() => {
    message.deserializeBinaryFromReader = bySdk;
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
        const [ours, sdks] = [read(bytes), readBySdk(bytes)];
        assert.deepEqual(ours.getObject()?.toJavaScript(), sdks.getObject()?.toJavaScript());
      }),
      { numRuns: 1000 },
    );
  });

  it("leaves all else of a message as it was", () => {
    const objects: (Record<string, JavaScriptValue> | undefined)[] = [undefined, {}, { data: { key: "value" } }];
    for (const object of objects) {
      const bytes = answer(object);
      const fields = (response: RegisterResourceResponse) => ({
        urn: response.getUrn(),
        id: response.getId(),
        stable: response.getStable(),
        stables: response.getStablesList(),
        result: response.getResult(),
        dependencies: response.getPropertydependenciesMap().get("data")?.getUrnsList(),
        hasObject: response.hasObject(),
      });
      assert.deepEqual(fields(read(bytes)), fields(readBySdk(bytes)));
    }
  });
});
