import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { lookup } from "node:dns/promises";
import { chmod, mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

import { NotFound, Timeout, Unreachable, ValidationFailed } from "../../components/errors";
import type { Context } from "./context";
import { run } from "./process";
import type { Release } from "./tools";

/** Patience with a release host, in milliseconds. */
export interface Patience {
  /** Until the name is resolved. */
  resolve: number;
  /** Without a byte. */
  silence: number;
}

const defaultPatience: Patience = { resolve: 2_000, silence: 15_000 };

/** Release hosts within one call: one that failed to answer is not tried again for the next tool. */
export class ReleaseHosts {
  private readonly verdicts = new Map<string, Promise<string | undefined>>();

  constructor(
    private readonly ctx: Pick<Context, "env" | "signal">,
    private readonly patience: Patience = defaultPatience,
  ) {}

  /** The address to use: the official one, or the same below $CLAWFLEET_MIRROR (`MIRROR/dl.k8s.io/release/...`). */
  address(official: string): URL {
    const mirror = this.ctx.env.CLAWFLEET_MIRROR;
    return new URL(mirror ? `${mirror.replace(/\/+$/, "")}/${official.replace(/^https:\/\//, "")}` : official);
  }

  /** Why a host can't be used, or undefined. Its name is resolved once. */
  unusable(host: string): Promise<string | undefined> {
    const known = this.verdicts.get(host);
    if (known !== undefined) return known;
    const timeout = new Promise<string>((resolve) =>
      setTimeout(resolve, this.patience.resolve, "its name is not resolved in time").unref(),
    );
    const verdict = Promise.race([
      lookup(host).then(
        () => undefined,
        () => "its name can't be resolved",
      ),
      timeout,
    ]);
    this.verdicts.set(host, verdict);
    return verdict;
  }

  /** A small text. @throws NotFound, Timeout, Unreachable */
  async text(official: string): Promise<string> {
    const chunks: Buffer[] = [];
    await this.read(official, async (body) => {
      for await (const chunk of body) chunks.push(chunk as Buffer);
    });
    return Buffer.concat(chunks).toString("utf8");
  }

  /**
   * A release file, streamed to `path` (replaced if there) and verified against its published SHA-256.
   * @throws ValidationFailed when the sums differ (the file is removed); NotFound, Timeout, Unreachable
   */
  async file({ url, checksum }: Pick<Release, "url" | "checksum">, path: string): Promise<void> {
    const name = url.slice(url.lastIndexOf("/") + 1);
    const published = await this.text(checksum.url);
    const want = checksum.kind === "file" ? checksumOf(published, name) : githubDigestOf(published, name);
    if (want === undefined)
      throw new NotFound({ what: `no SHA-256 of ${name} is published`, where: this.address(checksum.url).href });
    const got = await this.save(url, path);
    if (got === want) return;
    await rm(path, { force: true });
    throw new ValidationFailed({
      what: `the SHA-256 is ${got}, but ${want} is published; the file was removed`,
      where: this.address(url).href,
      fix: "try again; if it stays so, the host or what lies in between (CLAWFLEET_MIRROR, a proxy) serves another file",
    });
  }

  /** Any file, streamed to `path` (replaced if there), unverified. Returns its SHA-256. @throws NotFound, Timeout, Unreachable */
  async save(official: string, path: string): Promise<string> {
    const hash = createHash("sha256");
    const hashing = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        done(null, chunk);
      },
    });
    await this.read(official, (body) => pipeline(body, hashing, createWriteStream(path)));
    return hash.digest("hex");
  }

  private async read(official: string, consume: (body: Readable) => Promise<void>): Promise<void> {
    const url = this.address(official);
    const why = await this.unusable(url.hostname);
    if (why !== undefined) throw new Unreachable({ what: why, where: url.hostname });
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), this.patience.silence);
    const signal = AbortSignal.any([silence.signal, ...(this.ctx.signal === undefined ? [] : [this.ctx.signal])]);
    try {
      const response = await fetch(url, { signal, headers: { "user-agent": "clawfleet" } });
      if (!response.ok || response.body === null) {
        await response.body?.cancel();
        throw new NotFound({ what: `answered ${response.status}`, where: url.href });
      }
      const body = Readable.fromWeb(response.body);
      body.on("data", () => timer.refresh());
      body.pause();
      await consume(body);
    } catch (error) {
      this.ctx.signal?.throwIfAborted();
      if (error instanceof NotFound) throw error;
      const seconds = this.patience.silence / 1000;
      const failed = silence.signal.aborted
        ? new Timeout({ what: `no byte within ${seconds} s`, where: url.href }, { cause: error })
        : new Unreachable({ what: "the connection failed or broke off", where: url.href }, { cause: error });
      this.verdicts.set(url.hostname, Promise.resolve(failed.what));
      throw failed;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The SHA-256 of a file in a checksum text: the sum alone, `SUM  FILE` lines (sha256sum), `SUM *FILE` or `SHA256 (FILE) = SUM`. */
export function checksumOf(text: string, file: string): string | undefined {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  for (const line of lines) {
    const [, a, b] = /^([0-9a-fA-F]{64})\s+\*?(?:\.\/)?(\S+)$/.exec(line) ?? [];
    if (b === file) return a?.toLowerCase();
    const [, c, d] = /^SHA256 \((\S+)\) = ([0-9a-fA-F]{64})$/.exec(line) ?? [];
    if (c === file) return d?.toLowerCase();
  }
  const filled = lines.filter((line) => line !== "");
  return filled.length === 1 && /^[0-9a-fA-F]{64}$/.test(filled[0] ?? "") ? filled[0]?.toLowerCase() : undefined;
}

/** The SHA-256 of an asset in GitHub's description of a release; undefined when it has none. */
export function githubDigestOf(text: string, file: string): string | undefined {
  let release: unknown;
  try {
    release = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof release !== "object" || release === null || !("assets" in release) || !Array.isArray(release.assets))
    return undefined;
  for (const asset of release.assets as unknown[]) {
    if (typeof asset !== "object" || asset === null || !("name" in asset) || asset.name !== file) continue;
    const digest = "digest" in asset && typeof asset.digest === "string" ? asset.digest : "";
    return /^sha256:([0-9a-fA-F]{64})$/.exec(digest)?.[1]?.toLowerCase();
  }
  return undefined;
}

/**
 * Downloads a release and leaves its program, verified and executable, at `path`, which appears in one step.
 * @param work a folder that the caller owns and removes
 */
export async function downloadProgram(
  release: Release,
  path: string,
  work: string,
  hosts: ReleaseHosts,
  ctx: Context,
): Promise<void> {
  const file = join(work, release.url.slice(release.url.lastIndexOf("/") + 1));
  await hosts.file(release, file);
  let program = file;
  if (release.member !== undefined) {
    // bsdtar, macOS's tar, reads the zip files that some projects publish for macOS.
    await run("tar", ["-xf", file, "-C", work, release.member], { env: ctx.env, signal: ctx.signal });
    program = join(work, release.member);
  }
  await chmod(program, 0o755);
  await mkdir(dirname(path), { recursive: true });
  await rename(program, path);
}
