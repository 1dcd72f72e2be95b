import { createSocket, type Socket } from "node:dgram";

/** What a name resolves to: addresses, another name, or nothing. */
export type Answer = string[] | { cname: string; addresses: string[] } | undefined;

/** A DNS server of a test. */
export interface DnsStandIn {
  port: number;
  /** The names that it was asked for, each with its type: `api.example.com A`. */
  questions: string[];
  close: () => Promise<void>;
}

const TYPES: Record<number, string> = { 1: "A", 28: "AAAA" };
const CNAME = 5;

/**
 * Starts a DNS server that answers over UDP, with a time to live of zero.
 * @param resolve what a name resolves to; undefined: it does not exist.
 * @param address where to listen; port 53 is for root alone on most machines.
 */
export async function dnsStandIn(
  resolve: (name: string) => Answer,
  address = "127.0.0.1",
  port = 0,
): Promise<DnsStandIn> {
  const socket = createSocket("udp4");
  const questions: string[] = [];
  socket.on("message", (query, client) => {
    const { name, type, end } = questionOf(query);
    questions.push(`${name} ${TYPES[type] ?? String(type)}`);
    socket.send(responseTo(query, end, type, resolve(name)), client.port, client.address);
  });
  await new Promise<void>((done, failed) => {
    socket.once("error", failed);
    socket.bind(port, address, done);
  });
  return { port: socket.address().port, questions, close: () => new Promise((done) => socket.close(() => done())) };
}

/** Asks a DNS server on loopback. */
export async function ask(port: number, name: string, type = 1): Promise<{ code: number; addresses: string[] }> {
  const socket: Socket = createSocket("udp4");
  const header = Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const query = Buffer.concat([header, encoded(name), Buffer.from([0, type, 0, 1])]);
  try {
    return await new Promise((done, failed) => {
      const timer = setTimeout(() => failed(new Error(`no answer for ${name} within 10 s`)), 10_000);
      socket.once("error", failed);
      socket.once("message", (answer) => {
        clearTimeout(timer);
        done({ code: (answer[3] ?? 0) & 15, addresses: addressesOf(answer) });
      });
      socket.send(query, port, "127.0.0.1");
    });
  } finally {
    socket.close();
  }
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const { name, end } = nameAt(query, 12);
  return { name, type: query.readUInt16BE(end), end: end + 4 };
}

function responseTo(query: Buffer, end: number, type: number, answer: Answer): Buffer {
  const name = Buffer.from([0xc0, 12]); // where the question has it
  const plain = Array.isArray(answer) ? answer : (answer?.addresses ?? []);
  const alias = answer === undefined || Array.isArray(answer) ? undefined : encoded(answer.cname);
  const wanted = plain.filter((address) => address.includes(":") === (type === 28));
  const records = [
    ...(alias === undefined ? [] : [record(name, CNAME, alias)]),
    ...wanted.map((address) => record(alias ?? name, type, bytesOf(address))),
  ];
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | (answer === undefined ? 3 : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, query.subarray(12, end), ...records]);
}

function record(name: Buffer, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([name, fixed, data]);
}

function encoded(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "");
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);
}

/** A name, and where it ends; a pointer ends it. */
function nameAt(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = message[at] ?? 0; length !== 0; length = message[at] ?? 0) {
    if (length >= 0xc0) return { name: labels.join("."), end: at + 2 };
    labels.push(message.toString("ascii", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), end: at + 1 };
}

function addressesOf(answer: Buffer): string[] {
  const found: string[] = [];
  let at = questionOf(answer).end;
  for (let left = answer.readUInt16BE(6); left > 0; left--) {
    const { end } = nameAt(answer, at);
    const length = answer.readUInt16BE(end + 8);
    const data = answer.subarray(end + 10, end + 10 + length);
    if (answer.readUInt16BE(end) === 1) found.push([...data].join("."));
    at = end + 10 + length;
  }
  return found;
}

/** An IPv4 address, or an IPv6 address with all its groups written out. */
function bytesOf(address: string): Buffer {
  if (!address.includes(":")) return Buffer.from(address.split(".").map(Number));
  return Buffer.from(address.split(":").flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]));
}
