import assert from "node:assert/strict";
import { secretsInClear } from "../../policy/policies/secrets-in-clear";
import { otherKinds, UNKNOWN, validate, workloads } from "./support";

const USE = "keep it in a Secret and refer to that";
const CLEAR = `a credential in clear; ${USE}`;
const FROM_SECRET = "take it from a Secret by valueFrom.secretKeyRef";
const letters = (count: number) => "aB3".repeat(count).slice(0, count);

/** Put together here, so that no scanner takes this file for a leak. */
const CREDENTIALS: Record<string, string> = {
  "a private key": ["-----BEGIN RSA PRIVATE", "KEY-----\nMII"].join(" "),
  AWS: `AKIA${"ABCD1234".repeat(2)}`,
  GitHub: `ghp_${letters(36)}`,
  "GitHub, fine-grained": `github_pat_${letters(40)}`,
  GitLab: `glpat-${letters(20)}`,
  npm: `npm_${letters(36)}`,
  "Hugging Face": `hf_${letters(34)}`,
  Slack: `xoxb-${letters(24)}`,
  "Slack apps": `xapp-1-${letters(24)}`,
  OpenAI: `sk-proj-${letters(40)}`,
  Anthropic: `sk-ant-api03-${letters(40)}`,
  Stripe: `sk_live_${letters(24)}`,
  Google: `AIza${letters(35)}`,
  Tailscale: `tskey-auth-${letters(20)}`,
  Telegram: `123456789:A${letters(34)}`,
  "a JSON Web Token": `eyJ${letters(20)}.eyJ${letters(20)}.${letters(20)}`,
  "a URL with a password": "postgres://user:canary-password@db:5432/agents",
  "a bearer": `Authorization: Bearer ${letters(20)}`,
};

const configMap = (data: unknown, more: Record<string, unknown> = {}) => ({
  type: "kubernetes:core/v1:ConfigMap",
  props: { data, ...more },
});
const pod = (container: Record<string, unknown>) => ({
  type: "kubernetes:core/v1:Pod",
  props: { spec: { containers: [container] } },
});
const violations = async (...args: Parameters<typeof validate> extends [unknown, ...infer Rest] ? Rest : never) => {
  const verdict = await validate(secretsInClear, ...args);
  assert.equal(verdict.advisory, undefined);
  return verdict.violations;
};

describe("policy secrets-in-clear", () => {
  for (const [kind, credential] of Object.entries(CREDENTIALS)) {
    it(`finds ${kind} in a ConfigMap, a variable, an argument and an annotation, and never repeats it`, async () => {
      const found = [
        await violations(configMap({ notes: `first\nsee ${credential}` })),
        await violations(configMap(undefined, { binaryData: { notes: Buffer.from(credential).toString("base64") } })),
        await violations(pod({ env: [{ name: "NOTES", value: credential }] })),
        await violations(pod({ args: ["run", credential] })),
        await violations(pod({ command: [`--x=${credential}`] })),
        await violations({
          type: "kubernetes:core/v1:Service",
          props: { metadata: { annotations: { a: credential } } },
        }),
      ];
      assert.deepEqual(found, [
        [`data.notes: a credential in clear, in line 2; ${USE}`],
        [`binaryData.notes: ${CLEAR}`],
        [`spec.containers[0].env[0].value: a credential in clear; ${FROM_SECRET}`],
        [`spec.containers[0].args[1]: ${CLEAR}`],
        [`spec.containers[0].command[0]: ${CLEAR}`],
        [`metadata.annotations.a: ${CLEAR}`],
      ]);
    });
  }

  it("finds a credential by its name, of variables, keys and flags", async () => {
    for (const name of ["DB_PASSWORD", "apiKey", "client-secret", "GITHUB_TOKEN", "AWS_ACCESS_KEY"]) {
      assert.deepEqual(
        await violations(pod({ env: [{ name, value: "canary" }], args: [`--${name}=canary`, `--${name}`, "canary"] })),
        [
          `spec.containers[0].env[0].value: a credential by the variable's name; ${FROM_SECRET}`,
          `spec.containers[0].args[0]: ${CLEAR}`,
          `spec.containers[0].args[2]: ${CLEAR}`,
        ],
      );
      assert.deepEqual(await violations(configMap({ [name]: "canary" })), [
        `data.${name}: a credential by its name; ${USE}`,
      ]);
      const json = JSON.stringify({ servers: [{ [name]: "canary" }] });
      assert.deepEqual(await violations(configMap({ "a.json": json })), [
        `data["a.json"]: a credential in clear, at servers[0].${name}; ${USE}`,
      ]);
      for (const line of [`  ${name}: canary1`, `export ${name}='canary1'`, `"${name}" = "canary1",`]) {
        assert.deepEqual(await violations(configMap({ file: `#\n${line}\n` })), [
          `data.file: a credential in clear, in line 2; ${USE}`,
        ]);
      }
    }
  });

  it("looks into every container of every kind, and into the annotations of its Pods", async () => {
    const containers = [{ env: [{ name: "TOKEN", value: "canary" }] }];
    for (const { path, resource } of workloads({
      containers,
      initContainers: containers,
      ephemeralContainers: containers,
    })) {
      assert.deepEqual(
        await violations(resource),
        ["initContainers", "containers", "ephemeralContainers"].map(
          (list) => `${path}.${list}[0].env[0].value: a credential by the variable's name; ${FROM_SECRET}`,
        ),
      );
    }
    const template = { metadata: { annotations: { a: CREDENTIALS.AWS } }, spec: { containers: [] } };
    assert.deepEqual(await violations({ type: "kubernetes:apps/v1:Deployment", props: { spec: { template } } }), [
      `spec.template.metadata.annotations.a: ${CLEAR}`,
    ]);
  });

  it("takes references, files, numbers and placeholders for none", async () => {
    const values = [
      "",
      "$(PASSWORD)",
      "${TOKEN}",
      "file:/run/token",
      "/run/token",
      "true",
      "4000",
      "https://sso.example.com/token",
      "<token>",
      "{{ token }}",
    ];
    for (const value of values) {
      assert.deepEqual(
        await violations(pod({ env: [{ name: "TOKEN", value }], args: [`--token=${value}`] })),
        [],
        value,
      );
      assert.deepEqual(
        await violations(configMap({ token: value, "a.json": JSON.stringify({ token: value }) })),
        [],
        value,
      );
    }
    assert.deepEqual(await violations(configMap({ passwd: "node:x:1000:1000::/home/node:/bin/sh" })), []);
    const valueFrom = { secretKeyRef: { name: "a", key: "b" } };
    assert.deepEqual(
      await violations(
        pod({
          env: [
            { name: "TOKEN", valueFrom },
            { name: "MAX_TOKENS", value: "many" },
          ],
        }),
      ),
      [],
    );
    assert.deepEqual(
      await violations(configMap({ script: 'TOKEN="$1"\ntoken = readFile(path1)\npassword: !env DB1\n' })),
      [],
    );
  });

  it("lets be what the config says is no secret", async () => {
    const config = { notSecret: ["NEXT_TOKEN"] };
    assert.deepEqual(await violations(pod({ env: [{ name: "NEXT_TOKEN", value: "canary" }] }), config), []);
    assert.deepEqual(await violations(configMap({ "a.json": '{"NEXT_TOKEN":"canary"}' }), config), []);
    assert.equal((await violations(pod({ env: [{ name: "TOKEN", value: "canary" }] }), config)).length, 1);
  });

  it("finds violations beside unknowns, and names the unknowns", async () => {
    assert.deepEqual(await validate(secretsInClear, configMap({ unknown: UNKNOWN, token: "canary" })), {
      violations: [`data.token: a credential by its name; ${USE}`],
      advisory: "1 field not decidable in preview: data.unknown",
    });
    const env = [
      { name: "TOKEN", value: UNKNOWN },
      { name: UNKNOWN, value: CREDENTIALS.GitHub },
    ];
    assert.deepEqual(await validate(secretsInClear, pod({ env, args: [UNKNOWN, "--token=canary"] })), {
      violations: [
        `spec.containers[0].env[1].value: a credential in clear; ${FROM_SECRET}`,
        `spec.containers[0].args[1]: ${CLEAR}`,
      ],
      advisory:
        "3 fields not decidable in preview: spec.containers[0].env[0].value, spec.containers[0].env[1].name, spec.containers[0].args[0]",
    });
  });

  it("leaves Secrets' data, and other kinds, alone", async () => {
    const secret = { type: "kubernetes:core/v1:Secret", props: { stringData: { token: "canary" } } };
    assert.deepEqual(await violations(secret), []);
    for (const resource of otherKinds({ containers: [{ env: [{ name: "TOKEN", value: "canary" }] }] })) {
      assert.deepEqual(await violations(resource), [], resource.type);
    }
  });
});
