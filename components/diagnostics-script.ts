import type { Input } from "@pulumi/pulumi";

/** What kind of thing a check is, and what it needs to know. Exactly what the script reads. */
export enum CheckKind {
  /** An HTTP request whose answer has a status and, in its JSON, a value. */
  Http = "http",
  /** A forward proxy refuses a tunnel to the cloud metadata address. */
  ProxyRefuses = "proxy-refuses",
  /** A public name that the cell may not use does not resolve. */
  Unresolved = "unresolved",
  /** No connection to an address outside of the cell: the cluster enforces NetworkPolicies. */
  Blocked = "blocked",
}

/** One check. */
export interface Check {
  /** The name that its line has. */
  check: string;
  kind: CheckKind;
  host: Input<string>;
  port?: number;
  /** Default: `GET`. */
  method?: string;
  path?: string;
  /** The field of the JSON answer, and its value. */
  field?: string;
  value?: string | boolean;
}

/** The environment variable with the cell, the time limit and the checks, as JSON. */
export const DIAGNOSTICS_ENV = "DIAGNOSTICS";

/**
 * The program: Node's own modules alone. It makes every check at once, prints a line of JSON for each and ends with 1
 * when one failed. A line tells what was found, never what an answer held: that may be anything.
 */
export const DIAGNOSTICS_SCRIPT = String.raw`
const http = require("node:http"), net = require("node:net"), { writeSync } = require("node:fs");
const { lookup } = require("node:dns").promises;
const { cell, timeoutMs, checks } = JSON.parse(process.env.DIAGNOSTICS);
const fail = (why) => { throw new Error(why); };
const kinds = {
  "http": ({ host, port, method = "GET", path, field, value }) => new Promise((done, failed) => {
    const headers = method === "GET" ? {} : { "content-type": "application/json", "content-length": 2 };
    const request = http.request({ host, port, path, method, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("error", failed).on("data", (more) => { if (text.length < 65536) text += more; });
      response.on("end", () => {
        if (response.statusCode !== 200) return failed(new Error("status " + response.statusCode));
        if (field === undefined) return done();
        let answer;
        try { answer = JSON.parse(text); } catch { return failed(new Error("the answer is no JSON")); }
        if (answer?.[field] === value) return done();
        failed(new Error("the answer's " + field + " is not " + JSON.stringify(value)));
      });
    }).on("error", failed);
    request.end(method === "GET" ? undefined : "{}");
  }),
  "proxy-refuses": ({ host, port }) => new Promise((done, failed) => {
    http.request({ host, port, method: "CONNECT", path: "169.254.169.254:443", agent: false })
      .on("connect", ({ statusCode }) => statusCode === 403 ? done() : failed(new Error("status " + statusCode + " instead of 403")))
      .on("response", ({ statusCode }) => failed(new Error("status " + statusCode + " instead of 403")))
      .on("error", failed).end();
  }),
  "unresolved": async ({ host }) => {
    const address = await lookup(host).catch((error) => error.code === "ENOTFOUND" ? undefined : fail(error.code));
    if (address !== undefined) fail("it resolves");
  },
  "blocked": ({ host, port }) => new Promise((done, failed) => {
    const socket = net.connect({ host, port }).on("error", done).on("connect", () => failed(new Error("it is reachable")));
    setTimeout(() => { socket.destroy(); done(); }, timeoutMs / 2);
  }),
};
const run = async (check) => {
  const began = Date.now();
  let timer;
  const late = new Promise((_, failed) => { timer = setTimeout(() => failed(new Error("no answer")), timeoutMs); });
  let detail;
  try { await Promise.race([kinds[check.kind](check), late]); } catch (error) { detail = error.code ?? error.message; }
  clearTimeout(timer);
  const ok = detail === undefined;
  writeSync(1, JSON.stringify({ cell, check: check.check, ok, ms: Date.now() - began, ...(ok ? {} : { detail }) }) + "\n");
  return ok;
};
Promise.all(checks.map(run)).then((results) => process.exit(results.every(Boolean) ? 0 : 1));
`;
