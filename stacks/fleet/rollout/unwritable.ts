import { FleetError } from "../../../components/errors";

/** What a run has to keep cannot be written: nothing further may happen, and the run can be resumed when there is room. */
export class Unwritable extends FleetError {
  constructor(file: string, code: string) {
    super({
      what: `cannot be written (${code})`,
      where: file,
      fix: "make room on the disk; an interrupted run goes on with `clawfleet resume`",
    });
  }
}
