/** The stage of promotion that a cell is in. */
export enum Environment {
  Dev = "dev",
  Stage = "stage",
  Prod = "prod",
}
