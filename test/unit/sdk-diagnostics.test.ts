import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { projectRoot } from "../../cli/workspace";

/** Runs a script after the SDK's diagnostics are off, and returns what it prints. */
function withoutDiagnostics(script: string, env: NodeJS.ProcessEnv = {}): string {
  const off = JSON.stringify(join(projectRoot, "stacks", "no-sdk-diagnostics.js"));
  return execFileSync(process.execPath, ["-e", `require(${off}); ${script}`], {
    cwd: projectRoot,
    encoding: "utf8",
    env: { ...process.env, ...env },
  }).trim();
}

/** Prints how many messages reach the engine that the SDK is told of. */
const COUNT_MESSAGES = `
  const pulumi = require("@pulumi/pulumi");
  const sent = [];
  require("@pulumi/pulumi/runtime/settings").getEngine = () => ({ log: (request, done) => { sent.push(request.getMessage()); done(); } });
  pulumi.log.debug("a step").then(() => pulumi.log.warn("a warning")).then(() => console.log(JSON.stringify(sent)));`;

const STACK_OF_PROMISE = `
  const { debuggablePromise } = require("@pulumi/pulumi/runtime/debuggable");
  const promise = Promise.resolve();
  void debuggablePromise(promise, "a context");
  console.log(String(promise._debugStackTrace).includes("at "), new Error("later").stack.includes("at "));`;

describe("the SDK's diagnostics", () => {
  it("send the engine no debug messages, and all others", () => {
    assert.equal(withoutDiagnostics(COUNT_MESSAGES), JSON.stringify(["a warning"]));
  });

  it("make no text of what the engine answers, whose values may be secret", () => {
    const print = `
      const { RegisterResourceResponse } = require("@pulumi/pulumi/proto/resource_pb");
      const { Struct } = require("google-protobuf/google/protobuf/struct_pb");
      const response = new RegisterResourceResponse();
      response.setObject(Struct.fromJavaScript({ token: "canary" }));
      console.log(String(response));`;
    assert.doesNotMatch(withoutDiagnostics(print), /canary/);
  });

  it("keep no stack of promises, but of errors", () => {
    assert.equal(withoutDiagnostics(STACK_OF_PROMISE), "false true");
  });

  it("keep them where they are asked for", () => {
    assert.equal(withoutDiagnostics(STACK_OF_PROMISE, { PULUMI_DEBUG_PROMISE_LEAKS: "1" }), "true true");
  });
});
