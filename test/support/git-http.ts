import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { git } from "./git-sync";

/** A git host on loopback that asks for a user and a password: git's own CGI program behind Node's server. */
export interface GitHost {
  url: string;
  /** How many requests came with the right credential. */
  accepted(): number;
  close(): Promise<void>;
}

/** @param onRequest runs while git waits for the answer. */
export async function gitHost(
  folder: string,
  { user, password, onRequest }: { user: string; password: string; onRequest: () => void },
): Promise<GitHost> {
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const program = `${git(folder, "--exec-path").trim()}/git-http-backend`;
  let accepted = 0;
  const server = createServer((request, response) => {
    onRequest();
    if (request.headers.authorization !== expected) {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="git"' }).end();
      return;
    }
    accepted += 1;
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://127.0.0.1");
    const cgi = spawn(program, {
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: folder,
        GIT_HTTP_EXPORT_ALL: "1",
        GIT_CONFIG_GLOBAL: "/dev/null",
        PATH_INFO: pathname,
        QUERY_STRING: searchParams.toString(),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        REMOTE_USER: user,
      },
      stdio: ["pipe", "pipe", "inherit"],
    });
    request.pipe(cgi.stdin);
    const chunks: Buffer[] = [];
    cgi.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    cgi.on("close", () => {
      const answer = Buffer.concat(chunks);
      const end = answer.indexOf("\r\n\r\n");
      const headers = answer.subarray(0, end).toString().split("\r\n");
      let status = 200;
      for (const header of headers) {
        const [name = "", value = ""] = header.split(": ");
        if (name === "Status") status = Number.parseInt(value, 10);
        else response.setHeader(name, value);
      }
      response.writeHead(status).end(answer.subarray(end + 4));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    accepted: () => accepted,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
