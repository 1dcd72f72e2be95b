"use strict";
// What Pulumi's SDK does for those who debug it, whether or not anybody does: a tenth of a preview's processor time.
const log = require("@pulumi/pulumi/log");
const { RegisterResourceResponse } = require("@pulumi/pulumi/proto/resource_pb");
const debuggable = require("@pulumi/pulumi/runtime/debuggable");

// It tells the engine of every step of every resource, each in an RPC that waits for the one before, and a program does not
// end before the last. The engine drops them without `--debug`, but streams them with `--json`, inputs in clear.
log.debug = () => Promise.resolve();
// Those messages are still made, with all that the engine answered.
RegisterResourceResponse.prototype.toString = () => "RegisterResourceResponse";

// It keeps the stack of every promise, for a message about those that never end.
const { debuggablePromise } = debuggable;
if (!process.env.PULUMI_DEBUG_PROMISE_LEAKS)
  debuggable.debuggablePromise = (promise, context) => {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    try {
      return debuggablePromise(promise, context);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  };
