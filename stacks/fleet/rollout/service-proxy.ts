import * as z from "../../zod";
import { Timeout } from "../../../components/errors";
import type { Pod } from "../../cell-health";
import type { Answer, ClusterConnection } from "../../cluster-connection";

const node = z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()).default({}) }) });

/** What a part of a cell is asked. */
export interface Question {
  cell: string;
  namespace: string;
  /** The part, as its Pods' label `app.kubernetes.io/component` has it. */
  component: string;
  /** Its Service, with the port's name: `eu-gateway:http`. */
  service: string;
  path: string;
}

/** The part's answer; or why it was not asked, or could not be: that is no fault of the part's. */
export type ProxyAnswer = ({ state: "answered" } & Answer) | { state: "unchecked"; why: string };

/**
 * Asks a part of a cell over HTTP, through the API server's proxy. Nothing has to be opened for it: where a NetworkPolicy or
 * the credentials keep the API server out, that is said.
 * @throws Unreachable or Timeout when the API server itself does not answer.
 */
export async function askThroughProxy(reader: ClusterConnection, question: Question): Promise<ProxyAnswer> {
  const { cell, namespace, component, service, path } = question;
  const selector = encodeURIComponent(`app.kubernetes.io/instance=${cell},app.kubernetes.io/component=${component}`);
  const pods = (await reader.get(`/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`)) as { items: Pod[] };
  const nodeName = pods.items.find(({ spec }) => spec?.nodeName !== undefined)?.spec?.nodeName;
  if (nodeName === undefined) return { state: "unchecked", why: "it has no Pod on a node" };
  const where = await reader.ask(`/api/v1/nodes/${nodeName}`);
  if (where.status === 200 && isSimulated(where.body))
    return { state: "unchecked", why: "its node is simulated, and no process runs there" };
  const answer = await within(() => reader.ask(`/api/v1/namespaces/${namespace}/services/${service}/proxy${path}`));
  if (answer === undefined) return { state: "unchecked", why: "the API server gets no answer from it in time" };
  const { status } = answer;
  if (status === 401 || status === 403)
    return { state: "unchecked", why: "these credentials may not use services/proxy" };
  if (status === 502 || status === 503 || status === 504)
    return { state: "unchecked", why: `the API server gets no way through to it (${String(status)})` };
  return { state: "answered", ...answer };
}

/** A NetworkPolicy that drops packets lets the proxy wait longer than we do; the API server has just answered. */
async function within(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Timeout) return undefined;
    throw error;
  }
}

function isSimulated(body: string): boolean {
  const { success, data } = node.safeParse(parsed(body));
  return success && data.metadata.annotations["kwok.x-k8s.io/node"] !== undefined;
}

/** What a text of JSON holds; undefined when it is none. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
