import { catalogueImage, imageNames } from "../components/images";

/** Seconds to wait for a registry. */
const TIMEOUT_SECONDS = 10;

const MANIFEST_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** What became of one row of the catalogue. */
type Verdict = { kind: "match" } | { kind: "mismatch"; digest: string } | { kind: "unreachable"; reason: string };

/**
 * Resolves every tag of the catalogue against its registry and prints the outcome.
 * @returns false when a registry gives another digest for a tag. A registry that cannot be reached proves nothing, and that is said.
 */
export async function checkImages(
  resolve: (repository: string, tag: string) => Promise<string> = resolveTag,
): Promise<boolean> {
  const verdicts = await Promise.all(
    imageNames.map(async (name) => {
      const { repository, tag, digest } = catalogueImage(name);
      const verdict: Verdict = await resolve(repository, tag).then(
        (found) => (found === digest ? { kind: "match" } : { kind: "mismatch", digest: found }),
        (error: unknown) => ({ kind: "unreachable", reason: reasonOf(error) }),
      );
      process.stdout.write(`${name}  ${repository}:${tag}  ${describe(verdict, digest)}\n`);
      return verdict.kind;
    }),
  );
  const count = (kind: Verdict["kind"]) => verdicts.filter((verdict) => verdict === kind).length;
  process.stdout.write(
    `${String(count("match"))} confirmed, ${String(count("mismatch"))} different, ${String(count("unreachable"))} not checked\n`,
  );
  if (count("unreachable") === verdicts.length)
    process.stdout.write("No registry could be reached from here: nothing was checked.\n");
  return count("mismatch") === 0;
}

function describe(verdict: Verdict, digest: string): string {
  switch (verdict.kind) {
    case "match":
      return "confirmed";
    case "mismatch":
      return `DIFFERENT: the registry has ${verdict.digest}, the catalogue ${digest}`;
    case "unreachable":
      return `not checked: ${verdict.reason}`;
  }
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}

/** Asks a registry (OCI distribution API) for the digest of a tag, as an anonymous user. */
async function resolveTag(repository: string, tag: string): Promise<string> {
  const [host = "", ...path] = repository.split("/");
  const url = `https://${host}/v2/${path.join("/")}/manifests/${tag}`;
  const get = (headers: Record<string, string>) =>
    fetch(url, {
      method: "HEAD",
      headers: { Accept: MANIFEST_TYPES, ...headers },
      signal: AbortSignal.timeout(TIMEOUT_SECONDS * 1000),
    });
  let response = await get({});
  if (response.status === 401) {
    response = await get({
      Authorization: `Bearer ${await anonymousToken(response.headers.get("www-authenticate") ?? "")}`,
    });
  }
  const digest = response.headers.get("docker-content-digest");
  if (!response.ok || digest === null) throw new Error(`${host} answered ${String(response.status)}`);
  return digest;
}

async function anonymousToken(challenge: string): Promise<string> {
  const field = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1] ?? "";
  const query = new URLSearchParams({ service: field("service"), scope: field("scope") });
  const response = await fetch(`${field("realm")}?${query.toString()}`, {
    signal: AbortSignal.timeout(TIMEOUT_SECONDS * 1000),
  });
  return ((await response.json()) as { token?: string }).token ?? "";
}
