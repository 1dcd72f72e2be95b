import { Agent, request } from "node:https";
import { Unreachable } from "../../components/errors";
import type { AdminAccess } from "./credentials";

/** An answer of the API server. */
export interface Answer {
  status: number;
  body: string;
}

export interface CallOptions {
  /** Of the body; default YAML, which JSON is too: what comes from files needs no parsing here. */
  contentType?: string;
  /** Default JSON. */
  accept?: string;
  /** Default 10 s. */
  timeoutMs?: number;
}

/**
 * The few calls the harness makes to an API server. `@kubernetes/client-node` would take longer to load than a healthy
 * cluster takes to answer.
 */
export class ApiServer {
  readonly #access: AdminAccess;
  readonly #agent: Agent;

  constructor(access: AdminAccess) {
    this.#access = access;
    this.#agent = new Agent({ keepAlive: true, ca: access.certificateAuthority });
  }

  /** Sends one request; rejects when there is no answer in time. */
  call(method: string, path: string, body?: string, options: CallOptions = {}): Promise<Answer> {
    const { contentType = "application/yaml", accept = "application/json", timeoutMs = 10_000 } = options;
    return new Promise((resolve, reject) => {
      const call = request(
        new URL(path, this.#access.server),
        {
          method,
          agent: this.#agent,
          timeout: timeoutMs,
          headers: {
            authorization: `Bearer ${this.#access.token}`,
            accept,
            ...(body === undefined ? {} : { "content-type": contentType }),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
          );
        },
      );
      call.on("timeout", () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      call.on("error", reject);
      call.end(body);
    });
  }

  /** Whether a GET is answered with 200; no answer is a no. */
  async answers(path: string, timeoutMs = 2_000): Promise<boolean> {
    try {
      return (await this.call("GET", path, undefined, { timeoutMs })).status === 200;
    } catch {
      return false;
    }
  }

  /**
   * The object or list at a path; undefined when there is none.
   * @throws Unreachable on any other answer.
   */
  async get<T>(path: string, options?: CallOptions): Promise<T | undefined> {
    const { status, body } = await this.call("GET", path, undefined, options);
    if (status === 404) return undefined;
    if (status !== 200) throw this.#refused("GET", path, { status, body });
    return JSON.parse(body) as T;
  }

  /**
   * Creates an object unless it exists.
   * @throws Unreachable when the API server refuses it.
   */
  async create(path: string, object: string | object): Promise<void> {
    const answer = await this.call("POST", path, typeof object === "string" ? object : JSON.stringify(object), {
      timeoutMs: 30_000,
    });
    if (answer.status !== 201 && answer.status !== 409) throw this.#refused("POST", path, answer);
  }

  close(): void {
    this.#agent.destroy();
  }

  #refused(method: string, path: string, { status, body }: Answer): Unreachable {
    return new Unreachable({
      what: `the API server answered ${method} ${path} with ${status}: ${body.slice(0, 500)}`,
      where: this.#access.server,
      fix: "look into the cluster's kube-apiserver.log, or start over with `make clusters-down`",
    });
  }
}
