import type { Policy, ResourceValidationPolicy, Severity, StackValidationPolicy } from "@pulumi/policy";

/** What people are told of a policy, beside its name and what it asks for; docs/policies.md is made of it. */
export interface Explained extends Policy {
  /** What goes wrong without it. */
  why: string;
  /** How to comply. */
  remediationSteps: string;
  severity: Severity;
}

/** A policy that looks at one resource at a time, at its inputs. */
export interface ResourcePolicy extends ResourceValidationPolicy, Explained {
  remediationSteps: string;
  severity: Severity;
}

/** A policy that looks at all resources of a stack together. */
export interface StackPolicy extends StackValidationPolicy, Explained {
  remediationSteps: string;
  severity: Severity;
}
