import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FleetError } from "../../components/errors";
import { touchedStacks, type Touched } from "../../stacks/fleet/check/touched";
import { FleetFiles } from "../fleet-files";
import { projectRoot } from "../workspace";
import { buildProject, Repository } from "./revision";

/** The revision that a change began at, checked out beside the working tree for as long as a check takes. */
export class BaseRevision {
  private constructor(
    private readonly repository: Repository,
    /** The commit. */
    readonly commit: string,
    private readonly checkout: string,
    /** The folder of fleet.yaml in it. */
    readonly folder: string,
    /** Its fleet; undefined when it had none, or one that is not understood any more. */
    readonly files: FleetFiles | undefined,
    private readonly removeCheckout: () => Promise<void>,
  ) {}

  /**
   * Checks the revision out that a branch was left at.
   * @param reference what the change is since, for example `origin/main`.
   * @param fleetFolder the folder of fleet.yaml in the working tree.
   */
  static async checkOut(reference: string, fleetFolder: string, signal: AbortSignal): Promise<BaseRevision> {
    const repository = await Repository.at(fleetFolder, signal);
    const commit = await repository.mergeBase(reference);
    const parent = mkdtempSync(join(tmpdir(), "clawfleet-base-"));
    const checkout = join(parent, "base");
    try {
      const removeWorktree = await repository.checkOut(commit, checkout);
      const remove = async () => {
        await removeWorktree();
        rmSync(parent, { recursive: true, force: true });
      };
      const folder = join(checkout, repository.pathOf(fleetFolder) ?? "");
      return new BaseRevision(repository, commit, checkout, folder, readFiles(folder), remove);
    } catch (error) {
      rmSync(parent, { recursive: true, force: true });
      throw error;
    }
  }

  /** Removes the checkout. */
  remove(): Promise<void> {
    return this.removeCheckout();
  }

  /** The stacks that differ between it and the working tree. */
  async touched(head: FleetFiles): Promise<Touched> {
    return touchedStacks({
      files: await this.repository.changedFiles(this.commit),
      folder: this.pathOf(head.folder),
      project: this.project,
      layersOf: (cell) => head.overlays.namesOf(cell),
      base: this.files?.stacks,
      head: head.stacks,
    });
  }

  /** A file's path from the repository's root. */
  pathOf(file: string): string {
    return this.repository.pathOf(file) ?? file;
  }

  /**
   * The project whose code the base runs: its own where that differs, compiled.
   * @throws FleetError when it does not compile.
   */
  async projectRoot(codeDiffers: boolean, signal: AbortSignal): Promise<string> {
    if (!codeDiffers || this.project === undefined) return projectRoot;
    const project = join(this.checkout, this.project);
    await buildProject(project, projectRoot, signal);
    return project;
  }

  /** Where the code is in the repository; undefined where it is an installed package. */
  private get project(): string | undefined {
    const path = this.repository.pathOf(projectRoot);
    return path === undefined || path.split("/").includes("node_modules") ? undefined : path;
  }
}

function readFiles(folder: string): FleetFiles | undefined {
  if (!existsSync(folder)) return undefined;
  try {
    return new FleetFiles(folder);
  } catch (error) {
    if (error instanceof FleetError) return undefined;
    throw error;
  }
}
