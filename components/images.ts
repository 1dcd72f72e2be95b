import catalogue from "./images.json";
import { NotFound, ValidationFailed } from "./errors";

/** An image of the catalogue: where it comes from, and which public file recorded tag and digest together. */
export interface CatalogueImage {
  repository: string;
  tag: string;
  /** `sha256:` and 64 hexadecimal digits. */
  digest: string;
  /** How many further public files record the same pair. */
  confirmations: number;
  /** owner/repository/path of the file that the pair was read from. */
  source: string;
  sourceCommit: string;
  note?: string;
}

const images: Record<string, CatalogueImage> = catalogue.images;

/** The names that the catalogue knows. */
export const imageNames = Object.keys(images);

/**
 * A row of the catalogue.
 * @throws NotFound for a name that the catalogue lacks.
 */
export function catalogueImage(name: string): CatalogueImage {
  const image = images[name];
  if (image === undefined) {
    throw new NotFound({
      what: `no image named ${name}`,
      where: "components/images.json",
      fix: `use one of ${imageNames.join(", ")}`,
    });
  }
  return image;
}

const REFERENCE =
  /^(?<repository>[a-z0-9][a-z0-9.-]*(?::\d+)?(?:\/[a-z0-9._-]+)+):(?<tag>[\w][\w.-]{0,127})@(?<digest>sha256:[0-9a-f]{64})$/;

/** Whether a reference has a tag and a digest. */
export function isPinned(reference: string): boolean {
  return REFERENCE.test(reference);
}

/** What a full image reference consists of. */
export interface ImageReference {
  repository: string;
  tag: string;
  digest: string;
}

/**
 * Takes a reference apart; tag and digest are both required: the tag for people, the digest for the kubelet.
 * @param where the option that the reference came from, for the message.
 * @throws ValidationFailed when either is missing or malformed.
 */
export function parseImage(reference: string, where: string): ImageReference {
  const groups = REFERENCE.exec(reference)?.groups;
  if (groups?.repository === undefined || groups.tag === undefined || groups.digest === undefined) {
    throw new ValidationFailed({
      what: `image ${JSON.stringify(reference)} is not pinned`,
      where,
      fix: "write it as registry/repository:tag@sha256:<64 hexadecimal digits>",
    });
  }
  return { repository: groups.repository, tag: groups.tag, digest: groups.digest };
}

/** The reference to run: the override when there is one (checked), else the catalogue's row. */
export function resolveImage(name: string, override: string | undefined, where: string): string {
  if (override !== undefined) {
    parseImage(override, where);
    return override;
  }
  const { repository, tag, digest } = catalogueImage(name);
  return `${repository}:${tag}@${digest}`;
}
