import { ValidationFailed } from "../../../components/errors";
import type { Plan, PlannedWave } from "../rollout/plan-schema";
import type { Strategy } from "../rollout/strategy";

/** GitHub's limit of a matrix. */
const MATRIX_LIMIT = 256;
/** GitHub's limit of a job, in minutes. */
const JOB_LIMIT = 360;

type Job = Record<string, unknown>;

/**
 * The plan as a workflow of GitHub Actions: for each wave a matrix with a job for each cell, which needs the wave before;
 * for each approval a job in an environment that somebody has to approve.
 * @throws ValidationFailed for a wave with more cells than a matrix may have.
 */
export function githubWorkflow({ waves }: Plan): Job {
  const jobs: [string, Job][] = [];
  const add = (id: string, job: Job) => {
    const [before] = jobs.at(-1) ?? [];
    jobs.push([id, { ...job, ...(before !== undefined && { needs: before }) }]);
  };
  for (const wave of waves) {
    if (wave.approval.includes("before")) add(`approve-${wave.name}`, approvalJob(wave, "before"));
    add(`wave-${wave.name}`, waveJob(wave));
    if (wave.approval.includes("after")) add(`accept-${wave.name}`, approvalJob(wave, "after"));
  }
  return {
    name: "Roll out",
    on: { workflow_dispatch: { inputs: { intent: { description: "What it is for", type: "string" } } } },
    permissions: { contents: "read" },
    // Two rollouts at once would wait for each other's locks.
    concurrency: { group: "clawfleet", "cancel-in-progress": false },
    jobs: Object.fromEntries(jobs),
  };
}

function waveJob(wave: PlannedWave): Job {
  const { name, cells, maxConcurrency, progressDeadline, minSuccessTime } = wave;
  if (cells.length > MATRIX_LIMIT)
    throw new ValidationFailed({
      what: `the wave ${name} has ${String(cells.length)} cells, and a matrix may have ${String(MATRIX_LIMIT)} jobs`,
      where: "strategy",
      fix: "split the wave by a label, or use `clawfleet emit operator`",
    });
  const minutes = Math.ceil((progressDeadline + minSuccessTime) / 60) + 15; // to install, and to build
  return {
    name: `${name}: \${{ matrix.cell }}`,
    "runs-on": "ubuntu-24.04",
    "timeout-minutes": Math.min(JOB_LIMIT, minutes),
    strategy: {
      // Else the failure of one would kill the updates of the others.
      "fail-fast": false,
      "max-parallel": maxConcurrency,
      matrix: { cell: cells.map(({ id }) => id) },
    },
    env: {
      PULUMI_BACKEND_URL: "${{ vars.PULUMI_BACKEND_URL }}",
      PULUMI_CONFIG_PASSPHRASE: "${{ secrets.PULUMI_CONFIG_PASSPHRASE }}",
    },
    steps: [
      { uses: "actions/checkout@v5", with: { "persist-credentials": false } },
      { uses: "actions/setup-node@v5", with: { "node-version": "22", cache: "npm" } },
      { run: "npm ci && npm run build" },
      {
        name: "Clusters",
        // By the environment: neither the shell nor the log sees it.
        run: 'umask 077 && printenv CLUSTERS > "$RUNNER_TEMP/kubeconfig" && echo "KUBECONFIG=$RUNNER_TEMP/kubeconfig" >> "$GITHUB_ENV"',
        env: { CLUSTERS: "${{ secrets.CLAWFLEET_KUBECONFIG }}" },
      },
      {
        name: "Roll out",
        run: [
          'printenv STRATEGY > "$RUNNER_TEMP/strategy.yaml"',
          'npx clawfleet up "$CELL" --strategy "$RUNNER_TEMP/strategy.yaml" --intent "$INTENT"',
        ].join("\n"),
        env: { CELL: "${{ matrix.cell }}", INTENT: "${{ inputs.intent }}", STRATEGY: JSON.stringify(strategyOf(wave)) },
      },
      {
        if: "always()",
        uses: "actions/upload-artifact@v4",
        with: {
          name: "report-${{ matrix.cell }}",
          path: ".clawfleet/rollouts/*/report.html",
          "include-hidden-files": true,
        },
      },
    ],
  };
}

/** The wave's own limits for one cell. Waves and approvals are the workflow's business, and not each job's again. */
function strategyOf({ name, minSuccessTime, progressDeadline }: PlannedWave): Strategy {
  return {
    waves: [{ name, selector: {} }],
    minSuccessTime: `${String(minSuccessTime)}s`,
    progressDeadline: `${String(progressDeadline)}s`,
  };
}

function approvalJob({ name }: PlannedWave, when: "before" | "after"): Job {
  return {
    name: `${name}: approval ${when} it`,
    "runs-on": "ubuntu-24.04",
    // Its required reviewers are set in the repository's settings.
    environment: `clawfleet-${name}`,
    steps: [{ run: "true" }],
  };
}

/** What a plan asks for and the workflow does not do, for whoever relies on it. */
export function lostOnGithub({ waves }: Plan): string[] {
  const names = waves.filter(({ maxFailures }) => maxFailures > 0).map(({ name }) => name);
  return [
    ...(names.length === 0
      ? []
      : [`maxFailures: the next wave waits until every cell of this one has succeeded (${names.join(", ")})`]),
    "budgets of the whole run, and resume: run the failed jobs again, what is done is found unchanged",
  ];
}
