import assert from "node:assert/strict";
import { createRequire } from "node:module";
import {
  AnalyzeRequest,
  AnalyzerResourceOptions,
  type AnalyzeResponse,
  type RemediateResponse,
} from "@pulumi/pulumi/proto/analyzer_pb.js";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";
import type { ResourcePolicy } from "../../policy/kubernetes/policy";
import { setAbsent } from "../../policy/kubernetes/remediation";
import { convertOnce } from "../../policy/runtime/convert-once";

type Handler<T> = (call: { request: AnalyzeRequest }, done: (error: unknown, response: T) => void) => void;
type MakeHandler<T> = (pack: string, version: string, level: string, policies: Partial<ResourcePolicy>[]) => Handler<T>;

// What the SDK answers the engine with.
const { makeAnalyzeRpcFun, makeRemediateRpcFun } = createRequire(__filename)("@pulumi/policy/server") as {
  makeAnalyzeRpcFun: MakeHandler<AnalyzeResponse>;
  makeRemediateRpcFun: MakeHandler<RemediateResponse>;
};

/** The key and the value by which Pulumi knows a secret. */
const SECRET = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };

function requestWith(properties: Record<string, JavaScriptValue>): {
  request: AnalyzeRequest;
  conversions: () => number;
} {
  const request = new AnalyzeRequest();
  request.setType("kubernetes:core/v1:ConfigMap");
  request.setOptions(new AnalyzerResourceOptions());
  const struct = Struct.fromJavaScript(properties);
  const convert = struct.toJavaScript.bind(struct);
  let conversions = 0;
  struct.toJavaScript = () => {
    conversions += 1;
    return convert();
  };
  request.setProperties(struct);
  return { request, conversions: () => conversions };
}

function answer<T>(handler: Handler<T>, request: AnalyzeRequest): Promise<T> {
  return new Promise((fulfil, reject) => {
    handler({ request }, (error, response) => {
      if (error) reject(error instanceof Error ? error : new Error("the SDK refused", { cause: error }));
      else fulfil(response);
    });
  });
}

describe("the conversion of a resource's properties", () => {
  before(convertOnce);

  it("is done once for all policies", async () => {
    const seen: unknown[] = [];
    const policies = ["a", "b", "c"].map((name) => ({
      name,
      description: name,
      validateResource: ({ props }: { props: Record<string, unknown> }) => void seen.push(props.data),
    }));
    const { request, conversions } = requestWith({ data: "text" });
    await answer(makeAnalyzeRpcFun("pack", "1", "mandatory", policies), request);
    assert.deepEqual(seen, ["text", "text", "text"]);
    assert.equal(conversions(), 1);
  });

  it("is done anew for another resource", async () => {
    const seen: unknown[] = [];
    const policy = {
      name: "a",
      description: "a",
      validateResource: ({ props }: { props: Record<string, unknown> }) => void seen.push(props.data),
    };
    const handler = makeAnalyzeRpcFun("pack", "1", "mandatory", [policy]);
    await answer(handler, requestWith({ data: "one" }).request);
    await answer(handler, requestWith({ data: "two" }).request);
    assert.deepEqual(seen, ["one", "two"]);
  });

  it("is not done for remediations when there is none", async () => {
    const { request, conversions } = requestWith({ data: "text" });
    const response = await answer(makeRemediateRpcFun("pack", "1", "mandatory", []), request);
    assert.deepEqual(response.getRemediationsList(), []);
    assert.equal(conversions(), 0);
  });

  it("leaves a remediation all that it would have had, with secrets secret", async () => {
    const secret = { ...SECRET, value: "hidden" };
    const { request } = requestWith({ metadata: { name: "config" }, list: [1, { a: null }], secret });
    const remediate = {
      name: "a",
      description: "a",
      remediateResource: ({ props }: { props: Record<string, unknown> }) =>
        setAbsent(props, ["metadata", "labels"], { team: "x" }) ? props : undefined,
    };
    const response = await answer(makeRemediateRpcFun("pack", "1", "remediate", [remediate]), request);
    assert.deepEqual(response.getRemediationsList()[0]?.getProperties()?.toJavaScript(), {
      metadata: { name: "config", labels: { team: "x" } },
      list: [1, { a: null }],
      secret,
    });
  });
});
