import { ValidationFailed } from "../../../components/errors";
import type { Plan } from "../rollout/plan-schema";
import { PROJECT } from "../../project";

/** What the operator has to know beside the plan. */
export interface OperatorOptions {
  /** The git repository of the fleet's files, as the operator reaches it. */
  repository: string;
  /** The commit that is rolled out. */
  commit: string;
  /** The folder of Pulumi.yaml in the repository. Default: its root. */
  directory?: string;
  /** The URL of Pulumi's backend. Default: Pulumi Cloud. */
  backend?: string;
  /** The organization of the stacks; `organization` on a backend of one's own. */
  organization: string;
  /** The namespace of the Stack resources. */
  namespace: string;
  /** How recently the cells of the wave before have to have succeeded, such as `1h`. */
  within: string;
}

/** The Secret with the key `passphrase`, and the one with the key `kubeconfig` that reaches the fleet's clusters. */
const PASSPHRASE_SECRET = "clawfleet-passphrase";
const KUBECONFIG_SECRET = "clawfleet-kubeconfig";
/** The ServiceAccount that the operator's own documentation sets up. */
const SERVICE_ACCOUNT = "pulumi";
const KUBECONFIG_FOLDER = "/clusters";
/** The operator adds `-workspace` and a revision to it for a label, which may have 63 characters (its validation since 2.3.0). */
const NAME_LENGTH = 42;

/** A Stack of the Pulumi Kubernetes Operator. */
export interface StackResource {
  apiVersion: "pulumi.com/v1";
  kind: "Stack";
  metadata: { name: string; namespace: string; labels: Record<string, string> };
  spec: Record<string, unknown>;
}

/**
 * The plan as resources of the Pulumi Kubernetes Operator (2.x): a Stack for each cell, which has every cell of the wave
 * before as a prerequisite. Deleting one of them deletes nothing of its cell.
 * @throws ValidationFailed for a stack with a longer name than the operator takes.
 */
export function operatorStacks({ waves }: Plan, options: OperatorOptions): StackResource[] {
  const { repository, commit, directory, backend, organization, namespace, within } = options;
  const tooLong = waves.flatMap(({ cells }) => cells.map(({ stack }) => stack)).filter((n) => n.length > NAME_LENGTH);
  if (tooLong.length > 0)
    throw new ValidationFailed({
      what: `longer than the ${String(NAME_LENGTH)} characters of a Stack's name: ${tooLong.join(", ")}`,
      where: "fleet.yaml",
      fix: "give these cells a shorter id, or roll them out with `clawfleet up` or `emit github`",
    });
  return waves.flatMap(({ name: wave, cells }, index) =>
    cells.map(({ id, stack, environment }): StackResource => {
      const before = waves[index - 1]?.cells ?? [];
      const requirement = { succeededWithinDuration: within };
      return {
        apiVersion: "pulumi.com/v1",
        kind: "Stack",
        metadata: {
          name: stack,
          namespace,
          labels: { "clawfleet.io/cell": id, "clawfleet.io/wave": wave, "clawfleet.io/environment": environment },
        },
        spec: {
          stack: `${organization}/${PROJECT}/${stack}`,
          ...(backend !== undefined && { backend }),
          projectRepo: repository,
          commit,
          ...(directory !== undefined && { repoDir: directory }),
          refresh: true,
          destroyOnFinalize: false,
          ...(before.length > 0 && { prerequisites: before.map((cell) => ({ name: cell.stack, requirement })) }),
          envRefs: {
            PULUMI_CONFIG_PASSPHRASE: { type: "Secret", secret: { name: PASSPHRASE_SECRET, key: "passphrase" } },
            KUBECONFIG: { type: "Literal", literal: { value: `${KUBECONFIG_FOLDER}/kubeconfig` } },
          },
          serviceAccountName: SERVICE_ACCOUNT,
          workspaceTemplate: { spec: { podTemplate: { spec: podSpec() } } },
        },
      };
    }),
  );
}

/** The workspace's container is called `pulumi`; what is said of it here is merged with what the operator has. */
function podSpec(): object {
  return {
    containers: [
      { name: "pulumi", volumeMounts: [{ name: "clusters", mountPath: KUBECONFIG_FOLDER, readOnly: true }] },
    ],
    volumes: [{ name: "clusters", secret: { secretName: KUBECONFIG_SECRET } }],
  };
}

/** What a plan asks for and the operator does not know, for whoever relies on it. */
export function lostOnOperator({ waves }: Plan): string[] {
  const lost = (what: string, names: string[]) => (names.length === 0 ? [] : [`${what} (${names.join(", ")})`]);
  const of = (matches: (wave: Plan["waves"][number]) => boolean) => waves.filter(matches).map(({ name }) => name);
  return [
    "the policy pack: check it in the pull request, the operator runs no local pack",
    ...lost(
      "approvals: pin the commit of a wave in a pull request of its own",
      of(({ approval }) => approval.length > 0),
    ),
    ...lost(
      "maxFailures: the next wave waits until every cell of this one has succeeded",
      of(({ maxFailures }) => maxFailures > 0),
    ),
    ...lost(
      "minSuccessTime and the health gate beyond Pulumi's own waiting",
      of(({ minSuccessTime }) => minSuccessTime > 0),
    ),
    "maxConcurrency: the operator works on as many at once as its own setting says",
  ];
}
