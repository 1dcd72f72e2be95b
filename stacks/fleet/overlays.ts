import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Environment } from "../../components/environment";
import { ValidationFailed } from "../../components/errors";
import { nearest } from "../../components/openclaw/nearest";
import { cellLayerSchema, cellSchema, type CellConfig } from "../schema";
import type { Fleet, FleetCell } from "./inventory";
import { isMap, mergeLayers, mergeSettings, type Layer, type Merged, type YamlMap } from "./merge";
import { checked, type Locate } from "./problems";
import { locateIn, readYaml } from "./yaml-file";

/** The folder of the overlays, in the folder of the stacks. */
export const OVERLAYS_FOLDER = "overlays";
/** The kinds of overlays, in the order in which they apply; each is a folder, with a file for each name. */
const KINDS = ["environment", "region", "tenant", "cluster"] as const;
type Kind = (typeof KINDS)[number];

/** The overlays of a fleet. Each file is read and checked once, when the first cell needs it. */
export class Overlays {
  private readonly read = new Map<string, Layer | undefined>();

  /**
   * @param folder the folder of the stacks.
   * @param instead a layer to take instead of its file. Default: none.
   */
  constructor(
    private readonly folder: string,
    instead?: Layer,
  ) {
    if (instead !== undefined) this.read.set(instead.name, instead);
  }

  /**
   * The settings of a cell: base, environment, region, tenant, cluster, then what comes last.
   * @param last what the stack's own file says for all of its cells.
   * @throws ValidationFailed with file, line and path of every problem.
   */
  settings(cell: FleetCell, last?: Layer): CellConfig {
    const layers = this.layers(cell, last);
    return this.complete(mergeSettings(layers), cell, layers);
  }

  /** The same with the layer that each value came from. */
  merged(cell: FleetCell, last?: Layer): Merged {
    const layers = this.layers(cell, last);
    const merged = mergeLayers(layers);
    this.complete(merged.settings, cell, layers);
    return merged;
  }

  /** What an environment says of all its cells: base and environment, which need not be complete. */
  ofEnvironment(environment: string): Merged {
    return mergeLayers([this.overlay("base"), this.overlay(`environment/${environment}`)].filter(isLayer));
  }

  /**
   * Every file of the overlays, whether a cell uses it or not, as a layer's name.
   */
  names(): string[] {
    const folder = join(this.folder, OVERLAYS_FOLDER);
    const files = ["base", ...KINDS.flatMap((kind) => listed(join(folder, kind)).map((file) => `${kind}/${file}`))];
    return files.map((file) => file.replace(/\.yaml$/, ""));
  }

  /**
   * The files that no cell of the fleet uses, but for environments that have no cell yet: most likely a name that is misspelt.
   * @returns a description of each, with the name that may be meant.
   */
  unused(fleet: Fleet): string[] {
    const names: Record<Kind, Set<string>> = {
      environment: new Set(Object.values(Environment)),
      region: new Set(fleet.clusters.map(({ region }) => region)),
      tenant: new Set(fleet.cells.flatMap(({ tenant }) => tenant ?? [])),
      cluster: new Set(fleet.clusters.map(({ id }) => id)),
    };
    const folder = join(this.folder, OVERLAYS_FOLDER);
    return listed(folder)
      .filter((entry) => entry !== "base.yaml")
      .flatMap((kind) => {
        const known = names[kind as Kind] as Set<string> | undefined;
        if (known === undefined)
          return [`${OVERLAYS_FOLDER}/${kind}: is no kind of overlay; there are ${KINDS.join(", ")} and base.yaml`];
        return listed(join(folder, kind)).flatMap((file) => {
          const name = file.replace(/\.yaml$/, "");
          if (known.has(name) && file.endsWith(".yaml")) return [];
          const similar = nearest(name, [...known]);
          const hint =
            similar === undefined ? `there are: ${[...known].join(", ") || "none"}` : `did you mean ${similar}.yaml?`;
          return [`${OVERLAYS_FOLDER}/${kind}/${file}: belongs to no ${kind} of the fleet; ${hint}`];
        });
      });
  }

  /** What applies to a cell, from the first to the last. */
  layers(cell: FleetCell, last?: Layer): Layer[] {
    return [...this.namesOf(cell).map((name) => this.overlay(name)), last].filter(isLayer);
  }

  /** The names of the layers that a cell may have, from the first to the last. */
  namesOf({ environment, cluster, tenant }: FleetCell): string[] {
    return [
      "base",
      `environment/${environment}`,
      `region/${cluster.region}`,
      ...(tenant === undefined ? [] : [`tenant/${tenant}`]),
      `cluster/${cluster.id}`,
    ];
  }

  /**
   * A file of the overlays, by its layer's name; undefined when there is none.
   * @throws ValidationFailed
   */
  overlay(name: string): Layer | undefined {
    if (!this.read.has(name)) this.read.set(name, this.load(name));
    return this.read.get(name);
  }

  private load(name: string): Layer | undefined {
    const path = join(this.folder, OVERLAYS_FOLDER, `${name}.yaml`);
    if (!existsSync(path)) return undefined;
    const document = readYaml(path, `${OVERLAYS_FOLDER}/${name}.yaml`);
    const locate = locateIn(document);
    return { name, settings: checkedLayer(document.value, locate), locate };
  }

  /** Where a cell's setting is from: the last layer with a part of its path. */
  locate(cell: FleetCell, last?: Layer): Locate {
    return locateInLayers(cell, this.layers(cell, last));
  }

  /** Checks what only the whole can tell, such as a missing key. */
  private complete(settings: YamlMap, cell: FleetCell, layers: readonly Layer[]): CellConfig {
    return checked(cellSchema, settings, locateInLayers(cell, layers));
  }
}

/**
 * Checks the settings of one layer: every key is known and every value is of its kind, but nothing has to be there.
 * @throws ValidationFailed
 */
export function checkedLayer(value: unknown, locate: Locate): YamlMap {
  const settings = value ?? {};
  if (!isMap(settings))
    throw new ValidationFailed({ what: "is no map of settings", where: locate([]), fix: "write `key: value` lines" });
  checked(cellLayerSchema, settings, locate);
  return settings;
}

function locateInLayers(cell: FleetCell, layers: readonly Layer[]): Locate {
  return (path) => {
    const layer = layers.findLast(
      ({ settings: said }) =>
        path.length > 0 && isMap(said) && path[0] !== undefined && Object.hasOwn(said, String(path[0])),
    );
    return `cell ${cell.id}${layer === undefined ? "" : `: ${layer.locate?.(path) ?? layer.name}`}`;
  };
}

function isLayer(layer: Layer | undefined): layer is Layer {
  return layer !== undefined;
}

function listed(folder: string): string[] {
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => !name.startsWith("."))
        .sort()
    : [];
}
