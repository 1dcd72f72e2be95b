import type { VersionRange } from "./version";

/** The Kubernetes version of local clusters: `k8s.io/kubernetes` in modules/toolchain/go.mod. */
const kubernetes = "1.35.4";
/** `github.com/pulumi/pulumi/pkg/v3` in modules/toolchain/go.mod: the last one that compiles together with the bridge. */
const pulumi = "3.230.0";
/** What `go.etcd.io/etcd/server/v3` in modules/toolchain/go.mod is. */
const etcd = "3.6.8";
const kwok = "0.8.0";
const helm = "4.3.1";
const tailscale = "1.102.3";
/** The newest Blocky that is a Go module as published; the image in components/images.json is 0.34.0. */
const blocky = "0.28.2";
/** `github.com/nats-io/nats-server/v2` in modules/messaging/go.mod: the image's version. */
const nats = "2.15.0";
/** `github.com/warpstreamlabs/bento` in modules/messaging/go.mod: the last one on the module proxy; the image is 1.21.1. */
const bento = "1.20.0";
/** `github.com/rhysd/actionlint` in modules/actionlint/go.mod. */
const actionlint = "1.7.12";
/** The npm package `pulumi` that downloads the CLI; it takes the CLI's version from PULUMI_VERSION. */
export const pulumiNpmPackage = "pulumi@3.265.0";

/** Go modules under engine/modules that tools are built from. */
export type ModuleName =
  "toolchain" | "kwok" | "language-nodejs" | "helm" | "blocky" | "messaging" | "otelcol" | "tailscale" | "actionlint";

/** A program that `go build` makes of one of our modules. */
export interface BuildTarget {
  module: ModuleName;
  /** The package, as `go build` in the module's folder takes it. */
  package: string;
  /** The file that it makes. A tool of another name is a link to it and acts by the name that it is called as. */
  binary: string;
}

/** A file of an official release, and where its SHA-256 is published. */
export interface Release {
  url: string;
  checksum:
    /** A text file: the sum alone, or lines of `SUM  FILE`. */
    | { kind: "file"; url: string }
    /** GitHub's own digest of the asset, for projects that publish no checksum file. */
    | { kind: "github-digest"; url: string };
  /** The program's path inside the archive; without it the file is the program. */
  member?: string;
}

/** The platform in Go's words, which the release hosts use too. */
export interface Platform {
  os: string;
  arch: string;
}

/** Where a tool comes from and which versions will do. */
export interface ToolSpec {
  /** The version that is downloaded or built. */
  version: string;
  /** The versions that will do when found on PATH. */
  accepts: VersionRange;
  /** Arguments that make it print its version; without them a version is known from where it is installed alone. */
  versionArgs?: readonly string[];
  /**
   * How the official one is got: Pulumi's npm package, Pulumi's plugin installer, or a release file. Programs that only
   * our own tests start have none and are built.
   */
  official?:
    { kind: "npm" } | { kind: "plugin"; plugin: string } | { kind: "release"; release: (p: Platform) => Release };
  build: BuildTarget;
  /** How to install it by hand. */
  install: string;
}

const exactly = (version: string): VersionRange => ({
  from: version,
  below: version.replace(/\d+$/, (n) => `${Number(n) + 1}`),
});

const kubernetesRelease = (name: string) => ({
  kind: "release" as const,
  release: ({ os, arch }: Platform): Release => {
    const url = `https://dl.k8s.io/release/v${kubernetes}/bin/${os}/${arch}/${name}`;
    return { url, checksum: { kind: "file", url: `${url}.sha256` } };
  },
});

const controlPlane = (name: string): ToolSpec => ({
  version: kubernetes,
  accepts: { from: "1.35.0", below: "1.36.0" },
  versionArgs: ["--version"],
  official: kubernetesRelease(name),
  build: { module: "toolchain", package: "./cmd/kube", binary: "kube" },
  install: `put ${name} ${kubernetes} of the Kubernetes server release on PATH`,
});

const plugin = (name: string, version: string, versionArgs?: readonly string[]): ToolSpec => ({
  version,
  accepts: exactly(version),
  versionArgs,
  official: { kind: "plugin", plugin: name },
  build: { module: "toolchain", package: `./cmd/pulumi-resource-${name}`, binary: `pulumi-resource-${name}` },
  install: `run \`pulumi plugin install resource ${name} ${version}\``,
});

/** Programs of the image of admin access. */
const tailscaleProgram = (name: string): ToolSpec => ({
  version: tailscale,
  accepts: { from: tailscale, below: "2.0.0" },
  build: { module: "tailscale", package: `tailscale.com/cmd/${name}`, binary: name },
  install: `put ${name} ${tailscale} on PATH`,
});

const table = {
  pulumi: {
    version: pulumi,
    accepts: { from: "3.224.0", below: "4.0.0" },
    versionArgs: ["version"],
    official: { kind: "npm" },
    build: { module: "toolchain", package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", binary: "pulumi" },
    install: "install Pulumi 3.224.0 or later and put it on PATH",
  },
  "pulumi-language-nodejs": {
    // The language host of a newer CLI is not on the module proxy. It speaks the same protocol.
    version: "3.188.0",
    accepts: { from: "3.0.0", below: "4.0.0" },
    official: { kind: "npm" },
    build: {
      module: "language-nodejs",
      package: "github.com/pulumi/pulumi/sdk/nodejs/cmd/pulumi-language-nodejs/v3",
      binary: "pulumi-language-nodejs",
    },
    install: "install Pulumi, which has it beside its own program",
  },
  // The versions of the npm packages of the same names in package.json, which ask for these plugins.
  "pulumi-resource-kubernetes": plugin("kubernetes", "4.27.0"),
  "pulumi-resource-random": plugin("random", "4.21.2", ["--version"]),
  "pulumi-resource-tls": plugin("tls", "5.6.1", ["--version"]),
  etcd: {
    version: etcd,
    accepts: { from: "3.6.0", below: "3.7.0" },
    versionArgs: ["--version"],
    official: {
      kind: "release",
      release: ({ os, arch }) => {
        const base = `https://github.com/etcd-io/etcd/releases/download/v${etcd}`;
        const name = `etcd-v${etcd}-${os}-${arch}`;
        return {
          url: `${base}/${name}.${os === "linux" ? "tar.gz" : "zip"}`,
          checksum: { kind: "file", url: `${base}/SHA256SUMS` },
          member: `${name}/etcd`,
        };
      },
    },
    build: { module: "toolchain", package: "./cmd/kube", binary: "kube" },
    install: `put etcd ${etcd} on PATH`,
  },
  "kube-apiserver": controlPlane("kube-apiserver"),
  "kube-controller-manager": controlPlane("kube-controller-manager"),
  "kube-scheduler": controlPlane("kube-scheduler"),
  kwok: {
    version: kwok,
    accepts: { from: kwok, below: "0.9.0" },
    versionArgs: ["--version"],
    official: {
      kind: "release",
      release: ({ os, arch }) => ({
        url: `https://github.com/kubernetes-sigs/kwok/releases/download/v${kwok}/kwok-${os}-${arch}`,
        checksum: {
          kind: "github-digest",
          url: `https://api.github.com/repos/kubernetes-sigs/kwok/releases/tags/v${kwok}`,
        },
      }),
    },
    build: { module: "kwok", package: "sigs.k8s.io/kwok/cmd/kwok", binary: "kwok" },
    install: `put kwok ${kwok} on PATH`,
  },
  kubectl: {
    version: kubernetes,
    accepts: { from: "1.29.0", below: "2.0.0" },
    versionArgs: ["version", "--client"],
    official: kubernetesRelease("kubectl"),
    build: { module: "toolchain", package: "./cmd/kube", binary: "kube" },
    install: "put kubectl 1.29 or later on PATH",
  },
  helm: {
    version: helm,
    accepts: { from: "4.0.0", below: "5.0.0" },
    versionArgs: ["version", "--short"],
    official: {
      kind: "release",
      release: ({ os, arch }) => {
        const url = `https://get.helm.sh/helm-v${helm}-${os}-${arch}.tar.gz`;
        return { url, checksum: { kind: "file", url: `${url}.sha256sum` }, member: `${os}-${arch}/helm` };
      },
    },
    build: { module: "helm", package: "helm.sh/helm/v4/cmd/helm", binary: "helm" },
    install: `put helm ${helm} on PATH`,
  },
  blocky: {
    version: blocky,
    accepts: { from: blocky, below: "0.35.0" },
    versionArgs: ["version"],
    build: { module: "blocky", package: "github.com/0xERR0R/blocky", binary: "blocky" },
    install: `put blocky ${blocky} on PATH`,
  },
  "nats-server": {
    version: nats,
    accepts: { from: nats, below: "2.16.0" },
    versionArgs: ["--version"],
    build: { module: "messaging", package: "github.com/nats-io/nats-server/v2", binary: "nats-server" },
    install: `put nats-server ${nats} on PATH`,
  },
  bento: {
    version: bento,
    accepts: { from: bento, below: "2.0.0" },
    versionArgs: ["--version"],
    build: { module: "messaging", package: "./cmd/bento", binary: "bento" },
    install: `put bento ${bento} on PATH`,
  },
  // Named unlike the official distributions, which have other components.
  "otelcol-cell": {
    version: "0.160.0",
    accepts: exactly("0.160.0"),
    versionArgs: ["--version"],
    build: { module: "otelcol", package: ".", binary: "otelcol" },
    install: "install Go, which builds it",
  },
  actionlint: {
    version: actionlint,
    accepts: { from: actionlint, below: "2.0.0" },
    versionArgs: ["-version"],
    build: { module: "actionlint", package: "github.com/rhysd/actionlint/cmd/actionlint", binary: "actionlint" },
    install: `put actionlint ${actionlint} on PATH`,
  },
  containerboot: tailscaleProgram("containerboot"),
  tailscaled: tailscaleProgram("tailscaled"),
  tailscale: tailscaleProgram("tailscale"),
} as const satisfies Record<string, ToolSpec>;

/** Every program that the toolchain can find. */
export type ToolName = keyof typeof table;

/** The table of tools. */
export const toolSpecs: Readonly<Record<ToolName, ToolSpec>> = table;

/** The tools that a user needs: without those that only our own tests start. */
export const userTools = (Object.keys(table) as ToolName[]).filter((name) => toolSpecs[name].official !== undefined);

/** What only our own tests start: it is built from source, since nobody else has to have it. */
export const testTools = (Object.keys(table) as ToolName[]).filter((name) => toolSpecs[name].official === undefined);

/** What a `pulumi up` of our programs needs. */
export const pulumiTools = [
  "pulumi",
  "pulumi-language-nodejs",
  "pulumi-resource-kubernetes",
  "pulumi-resource-random",
  "pulumi-resource-tls",
] as const satisfies readonly ToolName[];

/** What a local cluster needs. */
export const clusterTools = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kwok",
] as const satisfies readonly ToolName[];

const k8sVersion = "k8s.io/component-base/version";

/** `-X` variables that carry the versions; a variable of a package that a program lacks is ignored by the linker. */
export const versionVariables: Readonly<Partial<Record<ModuleName, Readonly<Record<string, string>>>>> = {
  toolchain: {
    "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": `v${pulumi}`,
    "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version": table["pulumi-resource-kubernetes"].version,
    [`${k8sVersion}.gitVersion`]: `v${kubernetes}`,
    [`${k8sVersion}.gitMajor`]: kubernetes.split(".")[0] ?? "",
    [`${k8sVersion}.gitMinor`]: kubernetes.split(".")[1] ?? "",
    [`${k8sVersion}.gitTreeState`]: "clean",
    "k8s.io/client-go/pkg/version.gitVersion": `v${kubernetes}`,
  },
  kwok: { "sigs.k8s.io/kwok/pkg/consts.Version": `v${kwok}` },
  helm: { "helm.sh/helm/v4/internal/version.version": `v${helm}` },
  blocky: { "github.com/0xERR0R/blocky/util.Version": `v${blocky}` },
  messaging: { "main.Version": bento },
  actionlint: { "github.com/rhysd/actionlint.version": actionlint },
};

/** Build tags of a module: Prometheus's receiver without the clients of every cloud that it could discover targets in. */
export const buildTags: Readonly<Partial<Record<ModuleName, string>>> = { otelcol: "remove_all_sd" };
