import * as z from "../../zod";
import { DEAD_LETTER_STREAM, OUTBOUND_STREAM } from "../../../components/messaging";
import type { ClusterConnection } from "../../cluster-connection";
import { askThroughProxy, parsed } from "./service-proxy";

/*
 * The cell's outbound messages, as its broker counts them. A stream of ours holds a message until it has been dealt with, so
 * its length is what waits and what is under way.
 */

/** So many messages may be on their way at any moment; they are no queue that grows. */
export const IN_FLIGHT = 10;

const stream = z.object({ name: z.string(), state: z.object({ messages: z.int().min(0) }) });
/** What nats-server 2 answers at `/jsz?accounts=true&streams=true`. */
const jsz = z.object({
  account_details: z.array(z.object({ stream_detail: z.array(stream).default([]) })).default([]),
});

/** How many messages a cell has. */
export type QueueLength =
  | { state: "counted"; pending: number; deadLetters: number }
  /** The cell sends no messages. */
  | { state: "none" }
  | { state: "unchecked"; why: string };

/**
 * Counts a cell's outbound messages, and those that were given up.
 * @throws what askThroughProxy throws.
 */
export async function queueLength(
  reader: ClusterConnection,
  { cell, namespace }: { cell: string; namespace: string },
): Promise<QueueLength> {
  const name = `${cell}-broker`;
  const broker = await reader.get(`/apis/apps/v1/namespaces/${namespace}/statefulsets/${name}`);
  if (broker === undefined) return { state: "none" };
  const answer = await askThroughProxy(reader, {
    cell,
    namespace,
    component: "message-broker",
    service: `${name}:monitoring`,
    path: "/jsz?accounts=true&streams=true",
  });
  if (answer.state === "unchecked") return answer;
  const { success, data } = jsz.safeParse(parsed(answer.body));
  if (answer.status !== 200 || !success)
    return { state: "unchecked", why: `/jsz answered ${String(answer.status)}, and not as NATS does` };
  const streams = data.account_details.flatMap((account) => account.stream_detail);
  const messages = (wanted: string) => streams.find((each) => each.name === wanted)?.state.messages;
  const [pending, deadLetters] = [messages(OUTBOUND_STREAM), messages(DEAD_LETTER_STREAM)];
  if (pending === undefined || deadLetters === undefined)
    return { state: "unchecked", why: "its streams have not been made yet" };
  return { state: "counted", pending, deadLetters };
}

/** What grew between two looks, in words. Dead letters may not at all: each of them is a message that did not arrive. */
export function grownQueue(before: QueueLength, now: QueueLength): string[] {
  if (before.state !== "counted" || now.state !== "counted") return [];
  const grown = (what: string, from: number, to: number) =>
    to > from ? [`${what} from ${String(from)} to ${String(to)}`] : [];
  return [
    ...(now.pending > IN_FLIGHT ? grown("the queue of outbound messages grew", before.pending, now.pending) : []),
    ...grown("dead letters grew", before.deadLetters, now.deadLetters),
  ];
}
