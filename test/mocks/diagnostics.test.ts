import assert from "node:assert/strict";
import { Diagnostics, type DiagnosticsArgs } from "../../components/diagnostics";
import { DIAGNOSTICS_ENV, type Check } from "../../components/diagnostics-script";
import type { PodSpec } from "./cells";
import { providers, record } from "./support";

const CRON_JOB = "kubernetes:batch/v1:CronJob";
const POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy";

function recordDiagnostics(args: Partial<DiagnosticsArgs> = {}) {
  return record((recorder) => {
    new Diagnostics(
      "look",
      { namespace: "agents", instance: "acme", ...args },
      { providers: providers(), transformations: [recorder.observe] },
    );
  });
}
const at = (component: string, port: number, podPort?: number) => ({
  component,
  host: `acme-${component}`,
  port,
  podPort,
});
const everything: Partial<DiagnosticsArgs> = {
  gateway: at("gateway", 18789),
  modelProxy: at("model-proxy", 4000),
  search: at("search", 8080),
  messageBroker: at("message-broker", 8222),
  telemetry: at("telemetry-collector", 4318),
  forwardProxy: at("forward-proxy", 3135),
  deniedName: "example.org",
  dns: at("dns-filter", 53, 5353),
};

interface JobSpec {
  backoffLimit: number;
  activeDeadlineSeconds: number;
  ttlSecondsAfterFinished: number;
  template: { metadata: { labels: Record<string, string> }; spec: PodSpec };
}

async function cronJob(args: Partial<DiagnosticsArgs> = {}) {
  const recorder = await recordDiagnostics(args);
  const spec = recorder.get(CRON_JOB, "look").inputs.spec as Record<string, unknown> & {
    jobTemplate: { spec: JobSpec };
  };
  const { value } = spec.jobTemplate.spec.template.spec.containers[0]?.env.find(
    ({ name }) => name === DIAGNOSTICS_ENV,
  ) ?? { value: "{}" };
  const input = JSON.parse(value ?? "{}") as { cell: string; timeoutMs: number; checks: Check[] };
  return { recorder, spec, job: spec.jobTemplate.spec, pod: spec.jobTemplate.spec.template.spec, input };
}

describe("Diagnostics", () => {
  it("registers exactly these resources alone", async () => {
    assert.deepEqual((await recordDiagnostics()).list(), [
      "clawfleet:index:Diagnostics look",
      "kubernetes:batch/v1:CronJob look",
      "kubernetes:core/v1:ServiceAccount look",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy look",
    ]);
  });

  it("never runs twice at once, never tries again, and leaves nothing behind for long", async () => {
    const { spec, job } = await cronJob();
    const { jobTemplate, ...rest } = spec;
    assert.ok(jobTemplate);
    assert.deepEqual(rest, {
      schedule: "*/15 * * * *",
      timeZone: "Etc/UTC",
      concurrencyPolicy: "Forbid",
      startingDeadlineSeconds: 120,
      successfulJobsHistoryLimit: 1,
      failedJobsHistoryLimit: 3,
    });
    assert.deepEqual([job.backoffLimit, job.activeDeadlineSeconds, job.ttlSecondsAfterFinished], [0, 300, 86_400]);
    const tuned = await cronJob({ schedule: "@hourly", timeoutSeconds: 30, keepSeconds: 3600 });
    assert.equal(tuned.spec.schedule, "@hourly");
    assert.deepEqual([tuned.job.activeDeadlineSeconds, tuned.job.ttlSecondsAfterFinished], [320, 3600]);
    assert.equal(tuned.input.timeoutMs, 30_000);
  });

  it("is restricted, with requests and limits, and without a token", async () => {
    const { pod } = await cronJob({ scheduling: { priorityClassName: "low" } });
    assert.equal(pod.restartPolicy, "Never");
    assert.equal(pod.automountServiceAccountToken, false);
    assert.equal(pod.priorityClassName, "low");
    assert.equal((pod.securityContext as { runAsNonRoot: boolean }).runAsNonRoot, true);
    const { resources, securityContext, image } = pod.containers[0] ?? assert.fail("no container");
    assert.match(image, /@sha256:[0-9a-f]{64}$/);
    assert.deepEqual(resources, {
      requests: { cpu: "20m", memory: "64Mi", "ephemeral-storage": "32Mi" },
      limits: { cpu: "250m", memory: "128Mi", "ephemeral-storage": "64Mi" },
    });
    assert.deepEqual(securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    });
  });

  it("checks the parts that there are, and always what must be blocked", async () => {
    const names = async (args: Partial<DiagnosticsArgs>) =>
      (await cronJob(args)).input.checks.map(({ check }) => check);
    assert.deepEqual(await names({}), ["metadata-blocked", "internet-blocked"]);
    assert.deepEqual(await names(everything), [
      "gateway",
      "model-proxy",
      "search",
      "message-broker",
      "telemetry",
      "forward-proxy",
      "dns-filter",
      "metadata-blocked",
      "internet-blocked",
    ]);
    const { input } = await cronJob(everything);
    assert.equal(input.cell, "acme");
    assert.deepEqual(input.checks[0], {
      check: "gateway",
      kind: "http",
      host: "acme-gateway",
      port: 18789,
      path: "/startupz",
      field: "status",
      value: "started",
    });
  });

  it("may reach exactly what it checks, by the ports of the Pods, and is reached by nobody", async () => {
    const egressOf = async (args: Partial<DiagnosticsArgs>) => {
      const { spec } = (await recordDiagnostics(args)).get(POLICY, "look").inputs as {
        spec: {
          podSelector: { matchLabels: Record<string, string> };
          policyTypes: string[];
          ingress?: unknown;
          egress: { to: { podSelector: { matchLabels: Record<string, string> } }[]; ports: { port: number }[] }[];
        };
      };
      assert.equal(spec.podSelector.matchLabels["app.kubernetes.io/component"], "diagnostics");
      assert.deepEqual(spec.policyTypes, ["Ingress", "Egress"]);
      assert.equal(spec.ingress, undefined);
      return spec.egress.map(({ to, ports }) => {
        const labels = to[0]?.podSelector.matchLabels ?? {};
        return `${labels["app.kubernetes.io/component"] ?? "cluster DNS"} ${[...new Set(ports.map(({ port }) => port))].join()}`;
      });
    };
    assert.deepEqual(await egressOf({}), ["cluster DNS 53"]);
    assert.deepEqual(await egressOf(everything), [
      "dns-filter 5353",
      "gateway 18789",
      "model-proxy 4000",
      "search 8080",
      "message-broker 8222",
      "telemetry-collector 4318",
      "forward-proxy 3135",
    ]);
  });

  for (const [option, args] of [
    ["schedule", { schedule: "now and then" }],
    ["schedule", { schedule: "* * * *" }],
    ["timeoutSeconds", { timeoutSeconds: 1 }],
    ["keepSeconds", { keepSeconds: 0.5 }],
    ["image", { image: "node:latest" }],
    ["resources.limitsMemory", { resources: { limitsMemory: "16Mi" } }],
  ] as [string, Partial<DiagnosticsArgs>][]) {
    it(`refuses ${JSON.stringify(args)} and names the option`, async () => {
      await assert.rejects(recordDiagnostics(args), (error: Error) => {
        assert.ok(error.message.startsWith(`diagnostics.${option}: `), error.message);
        assert.match(error.message, /Fix: /);
        return true;
      });
    });
  }
});
