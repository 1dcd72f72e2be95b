import { inspect, type Field, type Problems } from "../kubernetes/field";
import type { ResourcePolicy } from "../kubernetes/policy";
import { isCustom } from "../kubernetes/resource-type";
import { containersOf, podSpecsOf } from "../kubernetes/workloads";

interface Config {
  /** Registries that images may come from, each with or without a path. Default: any. */
  allowedRegistries?: string[];
  /** The only images that may run, complete with tag and digest. Default: any. */
  catalogue?: string[];
}

export const imagesPinned: ResourcePolicy = {
  name: "images-pinned",
  description: "Images have a tag and a sha256 digest, and the tag is not latest.",
  why: "A tag is another image tomorrow; with a digest, what was reviewed is what runs.",
  severity: "high",
  remediationSteps: "Write images as NAME:TAG@sha256:DIGEST, the tag for people and the digest for the node.",
  url: "https://kubernetes.io/docs/concepts/containers/images/#image-names",
  configSchema: {
    properties: {
      allowedRegistries: {
        type: "array",
        items: { type: "string", minLength: 1 },
        minItems: 1,
        description: "Registries that images may come from, each with or without a path. Default: any.",
      },
      catalogue: {
        type: "array",
        items: { type: "string", minLength: 1 },
        minItems: 1,
        description: "The only images that may run, complete with tag and digest. Default: any.",
      },
    },
  },
  validateResource: (args, report) => {
    const config = args.getConfig<Config>();
    inspect(args, report, (resource) => {
      const containers = containersOf(args.type, resource);
      const volumes = podSpecsOf(args.type, resource).flatMap((pod) => pod.at("volumes").items());
      const images = [
        ...containers.map((container) => container.at("image")),
        ...volumes
          .filter((volume) => volume.at("image").read()?.value !== undefined)
          .map((volume) => volume.at("image", "reference")),
        ...(isCustom(args.type) ? customImages(resource.at("spec"), new Set(containers)) : []),
      ];
      for (const field of images) field.check((image) => imageProblems(image, config));
    });
  },
};

/** What custom resources call an image, outside of containers, and is written as one. */
function customImages(spec: Field, containers: Set<Field>): Field[] {
  return spec
    .objects()
    .filter((object) => !containers.has(object))
    .map((object) => object.at("image"))
    .filter((image) => typeof image.read()?.value === "string");
}

const PIN = "write it as NAME:TAG@sha256:DIGEST";

function imageProblems(image: unknown, { allowedRegistries, catalogue }: Config): Problems {
  if (typeof image !== "string" || image === "") return [`no image; ${PIN}`];
  const {
    name = "",
    tag,
    digest = "",
  } = /^(?<name>[^@]+?)(:(?<tag>\w[\w.-]*))?(@(?<digest>.*))?$/.exec(image)?.groups ?? {};
  return [
    ...(tag === undefined ? [`the image has no tag; ${PIN}`] : []),
    ...(tag === "latest" ? ["the image's tag is latest, which is another image every time; name a version"] : []),
    ...(/^sha256:[0-9a-f]{64}$/.test(digest) ? [] : [`the image has no sha256 digest; ${PIN}`]),
    ...(allowedRegistries === undefined || allowedRegistries.some((registry) => isFrom(name, registry))
      ? []
      : ["the image is from no registry of images-pinned.allowedRegistries; use a mirror of it that is"]),
    ...(catalogue === undefined || catalogue.includes(image)
      ? []
      : ["the image is not in images-pinned.catalogue; use one that is, or have it added"]),
  ];
}

function isFrom(name: string, registry: string): boolean {
  const [first = "", ...rest] = name.split("/");
  // Docker's rule: without a host, the name is Docker Hub's.
  const hasHost = rest.length > 0 && /[.:]|^localhost$/.test(first);
  const complete = hasHost ? name : `docker.io/${rest.length > 0 ? name : `library/${name}`}`;
  return `${complete}/`.startsWith(`${registry.replace(/\/$/, "")}/`);
}
