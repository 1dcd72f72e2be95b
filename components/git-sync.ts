import type { Input } from "@pulumi/pulumi";
import type { types } from "@pulumi/kubernetes";
import { ValidationFailed } from "./errors";
import type { EgressRule } from "./network";
import { restrictedContainer } from "./pod-security";
import { VAULT_NOTES } from "./volume-claims";
import { sealed, secretEnv, type SecretOptions, type SecretReference } from "./secrets";

/** Keeps the vault in step with a git repository, both ways. */
export interface GitSyncOptions {
  /** The repository's https URL, without credentials. */
  repository: string;
  /** The branch to follow. Default: `main`. */
  branch?: string;
  /** Seconds between two rounds. Default: 300. */
  intervalSeconds?: number;
  /** The user to authenticate as. Default: `git`, which hosts that take a token accept. */
  username?: string;
  /** The token or password: a value or an existing Secret. */
  credential: SecretOptions;
  /** Where the git host is. Without a rule the default-deny policy keeps it unreachable. */
  egress: EgressRule[];
}

/** The same options with the credential's value marked as a secret. */
export function sealedGitSync(options: GitSyncOptions): GitSyncOptions {
  return { ...options, credential: sealed(options.credential) };
}

const DEFAULT_INTERVAL_SECONDS = 300;

/** The environment variable that holds the token or password. */
export const GIT_CREDENTIAL_ENV = "GIT_PASSWORD";

/** Where the repository is: on the vault's volume, and mounted by git-sync alone. */
const REPOSITORY_PATH = "/repository";

/**
 * One round: commit what changed here, merge what changed there, push. Where both changed the same lines, what is in
 * the vault stays, and the other version stays in the history: nothing is ever lost or left with conflict marks.
 *
 * The credential reaches git through GIT_ASKPASS, so it is in no URL, argument or file. GIT_DIR is outside of what the
 * gateway mounts: whoever writes a repository's config or hooks has git run what they like, with the credential. For
 * the same reason a repository within the vault is left alone.
 */
export const GIT_SYNC_SCRIPT = String.raw`set -u
cd "$GIT_WORK_TREE" || exit 1
printf '#!/bin/sh\ncase "$1" in Username*) echo "$GIT_USERNAME" ;; *) echo "$GIT_PASSWORD" ;; esac\n' > "$HOME/askpass"
chmod 700 "$HOME/askpass"
export GIT_ASKPASS="$HOME/askpass" GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=clawfleet GIT_AUTHOR_EMAIL=clawfleet@localhost GIT_COMMITTER_NAME=clawfleet GIT_COMMITTER_EMAIL=clawfleet@localhost
export GIT_HTTP_LOW_SPEED_LIMIT=1000 GIT_HTTP_LOW_SPEED_TIME=30
[ -f "$GIT_DIR/HEAD" ] || git init -q -b "$GIT_BRANCH" || exit 1
git config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'
# A killed git leaves them, and no other git is at work here.
find "$GIT_DIR" -name '*.lock' -type f -delete
round() {
  git config remote.origin.url "$GIT_REPOSITORY" || return 1
  find . -mindepth 2 -name .git -prune | sed 's|\.git$||; s|[][*?\\]|\\&|g; s|^\.||' > "$GIT_DIR/info/exclude"
  git add -A || return 1
  git diff --cached --quiet || git commit -q -m "Vault of $GIT_CELL" || return 1
  git fetch -q origin || return 1
  if git rev-parse -q --verify "origin/$GIT_BRANCH" > /dev/null; then
    if git rev-parse -q --verify HEAD > /dev/null; then
      # What is left after "ours" is a file changed on one side and deleted on the other: the changed one stays.
      git merge -q --no-edit --allow-unrelated-histories -X ours "origin/$GIT_BRANCH" ||
        { [ -f "$GIT_DIR/MERGE_HEAD" ] && git add -A && git commit -q --no-edit; } || return 1
    else
      git checkout -q -B "$GIT_BRANCH" "origin/$GIT_BRANCH" || return 1
    fi
  fi
  git rev-parse -q --verify HEAD > /dev/null || return 0
  git push -q origin "HEAD:refs/heads/$GIT_BRANCH"
}
sleeper=
stop() { trap '' TERM INT; [ -z "$sleeper" ] || kill "$sleeper" 2> /dev/null; round; exit 0; }
trap stop TERM INT
while :; do
  if round; then echo "vault in step"; else echo "vault not in step, next try in $GIT_INTERVAL s" >&2; fi
  touch "$HOME/alive"
  sleep "$GIT_INTERVAL" & sleeper=$!
  wait "$sleeper"
done
`;

interface GitSyncContainerArgs {
  image: string;
  instance: string;
  options: GitSyncOptions;
  credential: SecretReference;
  vaultPath: string;
}

/** The container beside the gateway: one node at a time mounts the vault, so it has to share the gateway's Pod. */
export function gitSyncContainer(args: GitSyncContainerArgs): types.input.core.v1.Container {
  const { options } = args;
  const interval = options.intervalSeconds ?? DEFAULT_INTERVAL_SECONDS;
  const env = {
    GIT_WORK_TREE: args.vaultPath,
    GIT_DIR: REPOSITORY_PATH,
    HOME: "/git-sync",
    GIT_REPOSITORY: options.repository,
    GIT_BRANCH: options.branch ?? "main",
    GIT_INTERVAL: String(interval),
    GIT_USERNAME: options.username ?? "git",
    GIT_CELL: args.instance,
  };
  return {
    name: "git-sync",
    image: args.image,
    imagePullPolicy: "IfNotPresent",
    command: ["sh", "-c", GIT_SYNC_SCRIPT],
    env: [
      ...Object.entries(env).map(([name, value]) => ({ name, value })),
      secretEnv(GIT_CREDENTIAL_ENV, args.credential),
    ],
    resources: {
      requests: { cpu: "10m", memory: "64Mi", "ephemeral-storage": "16Mi" },
      limits: { cpu: "500m", memory: "256Mi", "ephemeral-storage": "128Mi" },
    },
    securityContext: restrictedContainer(),
    // Alive means that rounds go on, whether or not the git host answers: restarting would not help it.
    livenessProbe: {
      exec: {
        command: ["sh", "-c", `test -n "$(find /git-sync/alive -mmin -${String(Math.ceil((interval * 3) / 60) + 5)})"`],
      },
      initialDelaySeconds: 300,
      periodSeconds: 60,
      timeoutSeconds: 5,
    },
    volumeMounts: [
      { name: "vault", mountPath: args.vaultPath, subPath: VAULT_NOTES },
      { name: "vault", mountPath: REPOSITORY_PATH, subPath: "repository" },
      { name: "git-sync", mountPath: "/git-sync" },
    ],
  };
}

/** The volume that the container keeps its own files in. */
export const gitSyncVolume: { name: string; emptyDir: { sizeLimit: Input<string> } } = {
  name: "git-sync",
  emptyDir: { sizeLimit: "64Mi" },
};

/**
 * Checks the options of a git sync.
 * @throws ValidationFailed for a repository that is no https URL or holds credentials, and for too short an interval.
 */
export function assertGitSync({ repository, intervalSeconds = DEFAULT_INTERVAL_SECONDS }: GitSyncOptions): void {
  let url: URL | undefined;
  try {
    url = new URL(repository);
  } catch {
    // reported below
  }
  if (url?.protocol !== "https:" || url.username !== "" || url.password !== "") {
    // The URL is not repeated: a credential may be in it.
    throw new ValidationFailed({
      what: "the repository is no https URL without credentials",
      where: "vault.gitSync.repository",
      fix: "write it like https://git.example.com/team/vault.git and give the token as vault.gitSync.credential",
    });
  }
  if (!Number.isInteger(intervalSeconds) || intervalSeconds < 10) {
    throw new ValidationFailed({
      what: `intervalSeconds is ${String(intervalSeconds)}`,
      where: "vault.gitSync.intervalSeconds",
      fix: "use at least 10",
    });
  }
}
