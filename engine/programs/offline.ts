const signs =
  /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|Temporary failure|Could not (?:resolve|connect)|Cannot initiate the connection|Connection (?:refused|timed out|reset)|Network is unreachable|Name or service not known|Failed to establish a new connection|dns error|error sending request/i;

/** The sign, in a package manager's output, that nobody answered; undefined when it failed for another reason. */
export function offline(output: string): string | undefined {
  return signs.exec(output)?.[0];
}
