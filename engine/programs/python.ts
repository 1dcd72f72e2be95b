import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";

import { FleetError, NotFound, Unreachable } from "../../components/errors";
import { cacheDir, modulesDir } from "../toolchain/context";
import { isProgram, onPath } from "../toolchain/find";
import { withLock } from "../toolchain/lock";
import { ProgramFailed, run } from "../toolchain/process";
import { withProgress } from "../toolchain/progress";
import { offline } from "./offline";

/** Programs and modules of Python packages, in an environment of their own. */
export interface PythonPrograms {
  /** The virtual environment's folder. */
  root: string;
  /** Its Python. */
  python: string;
  /**
   * Where a program that a package brings is.
   * @throws NotFound when none of the packages has it
   */
  path: (name: string) => string;
  /** The environment to start them with. */
  env: NodeJS.ProcessEnv;
}

/** Python's minor versions for which packages with compiled parts are published as wheels. */
const pythons = { from: 10, to: 13 };

/**
 * The Python packages of engine/programs/requirements/`name`.txt, which pins every one of them by its exact version, in
 * a virtual environment in the user's cache. Once per user, Python version and content of that file.
 * @param progress is told what takes long
 * @param folder where the file is
 * @throws NotFound without a Python that will do; Unreachable when no package index answers
 */
export async function pythonPrograms(
  name: string,
  progress: (line: string) => void,
  folder = join(dirname(modulesDir()), "programs", "requirements"),
): Promise<PythonPrograms> {
  const requirements = join(folder, `${name}.txt`);
  const content = await readFile(requirements, "utf8");
  const python = await findPython();
  const root = join(cacheDir(), "python", environmentName(name, python.version, content));
  const complete = join(root, ".complete");
  const context = { purpose: `installing ${name}`, log: progress, signal: undefined };
  await withLock(`${root}.lock`, context, async () => {
    if (existsSync(complete)) return;
    // An environment can't be moved: its programs name their Python by its path. Hence the mark instead of a rename.
    await rm(root, { recursive: true, force: true });
    await mkdir(dirname(root), { recursive: true });
    try {
      const title = `installing ${name} from Python's package index, once per user`;
      await withProgress({ log: progress, live: false }, title, () => install(root, python.path, requirements));
      await writeFile(complete, "");
    } catch (error) {
      await rm(root, { recursive: true, force: true });
      throw failure(name, error);
    }
  });
  return programsIn(root, name);
}

/** A key that changes with Python's version and with any pinned version. */
export function environmentName(name: string, version: string, requirements: string): string {
  const hash = createHash("sha256").update(`${version}\n${requirements}`).digest("hex").slice(0, 16);
  return `${name}-${hash}`;
}

async function findPython(): Promise<{ path: string; version: string }> {
  const minors = Array.from({ length: pythons.to - pythons.from + 1 }, (_, index) => pythons.to - index);
  const passed: string[] = [];
  for (const path of ["python3", ...minors.map((minor) => `python3.${minor}`)].flatMap((n) => onPath(n, process.env))) {
    const script = "import platform, sys, venv; print(sys.version_info.minor, platform.platform())";
    const output = await run(path, ["-c", script]).catch(() => "");
    const [minor, machine] = output.trim().split(" ");
    if (minor === undefined || machine === undefined) continue;
    if (Number(minor) >= pythons.from && Number(minor) <= pythons.to) return { path, version: `3.${minor} ${machine}` };
    passed.push(`${path} is 3.${minor}`);
  }
  throw new NotFound({
    what: `no Python 3.${pythons.from} to 3.${pythons.to} with venv on PATH${passed.map((p) => `; ${p}`).join("")}`,
    where: "Python",
    fix: "install python3 and python3-venv",
  });
}

async function install(root: string, python: string, requirements: string): Promise<void> {
  const [uv] = onPath("uv", process.env);
  if (uv !== undefined) {
    await run(uv, ["venv", "--quiet", "--python", python, root]);
    const flags = ["--quiet", "--no-deps", "--only-binary", ":all:", "--python", join(root, "bin", "python")];
    await run(uv, ["pip", "install", ...flags, "--requirement", requirements]);
    return;
  }
  await run(python, ["-m", "venv", root]);
  // Every package is pinned, so there is nothing to resolve; and a wheel runs no code when it is installed.
  const flags = ["--quiet", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input"];
  const pip = ["-m", "pip", "install", ...flags, "--retries", "2", "--requirement", requirements];
  await run(join(root, "bin", "python"), pip);
}

function failure(name: string, error: unknown): FleetError {
  const output = error instanceof ProgramFailed ? error.what : String(error);
  const where = `Python packages of ${name}`;
  const sign = offline(output);
  if (sign !== undefined) {
    return new Unreachable(
      {
        what: `no package index answers (${sign})`,
        where,
        fix: "connect to a network, or point pip at an index that is reachable",
      },
      { cause: error },
    );
  }
  if (error instanceof FleetError) return error;
  return new FleetError({ what: `the installation failed: ${output}`, where }, { cause: error });
}

function programsIn(root: string, name: string): PythonPrograms {
  const bin = join(root, "bin");
  return {
    root,
    python: join(bin, "python"),
    path: (program) => {
      const path = join(bin, program);
      if (isProgram(path)) return path;
      throw new NotFound({
        what: `the environment of ${name} has no such program`,
        where: program,
        fix: `add its package to engine/programs/requirements/${name}.txt`,
      });
    },
    env: { PATH: [bin, process.env.PATH].join(delimiter), VIRTUAL_ENV: root, PYTHONDONTWRITEBYTECODE: "1" },
  };
}
