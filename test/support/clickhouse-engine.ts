import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pythonPrograms } from "../../engine/programs/python";

/** Only this user and this password get in, as in the cell's ClickHouse. */
export const ENGINE_USER = "collector";
export const ENGINE_PASSWORD = "canary-clickhouse-password";

/**
 * ClickHouse's engine as PyPI's chdb has it, behind as much of ClickHouse's HTTP interface as its Go client needs: a
 * query in the address, a body that an INSERT takes, and an answer in the format that is asked for.
 */
const SERVER = `
import base64, gzip, http.server, json, os, struct, sys, threading, urllib.parse
from chdb.session import Session

folder, port, user, password = sys.argv[1], int(sys.argv[2]), os.environ["ENGINE_USER"], os.environ["ENGINE_PASSWORD"]
session = Session(os.path.join(folder, "data"))
inserts, counts = 0, {}

def number(value):
    parts = b""
    while value > 127:
        parts += bytes([value & 127 | 128])
        value >>= 7
    return parts + bytes([value])

def text(value):
    return number(len(value.encode())) + value.encode()

def native(lines):
    names, types, *rows = [json.loads(line) for line in lines.decode().splitlines()]
    block = b"\\x01\\x00\\x02" + struct.pack("<i", -1) + b"\\x00" + number(len(names)) + number(len(rows))
    integers = {"UInt8": "<B", "UInt32": "<I", "UInt64": "<Q"}
    for index, (name, kind) in enumerate(zip(names, types)):
        shown = kind if kind in integers else "String"
        block += text(name) + text(shown) + b"\\x00"
        for row in rows:
            block += struct.pack(integers[kind], int(row[index])) if kind in integers else text(row[index])
    return block

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def answer(self, status, body, headers={}):
        self.send_response(status)
        for name, value in headers.items(): self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self): self.answer(200, str(counts.pop(self.path.lstrip("/"), 0)).encode())
    def do_POST(self):
        global inserts
        raw = self.body()
        body = gzip.decompress(raw) if self.headers.get("Content-Encoding") == "gzip" else raw
        known = base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
        if self.headers.get("Authorization") != "Basic " + known:
            return self.answer(403, b"Code: 516. Authentication failed", {"X-ClickHouse-Exception-Code": "516"})
        asked = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        query = asked.get("query", [""])[0]
        wanted = asked.get("default_format", ["TabSeparated"])[0]
        try:
            if query.lstrip().upper().startswith("INSERT"):
                inserts += 1
                path = os.path.join(folder, "insert-%d.native" % inserts)
                with open(path, "wb") as file: file.write(body)
                head = query[: query.upper().rindex("FORMAT")].strip()
                if head.upper().endswith("VALUES"): head = head[:-6]
                session.query("%s SELECT * FROM file('%s', Native)" % (head, path))
                os.remove(path)
                table = query.split("(")[0].strip().split(".")[-1].strip('"')
                counts[table] = counts.get(table, 0) + 1
                return self.answer(200, b"")
            # A client that names its protocol's version wants the native format of that version, which the engine
            # writes for nobody.
            versioned = wanted == "Native" and "client_protocol_version" in asked
            form = "JSONCompactStringsEachRowWithNamesAndTypes" if versioned else wanted
            result = session.query(query or body.decode(), form).bytes()
            self.answer(200, native(result) if versioned else result, {"X-ClickHouse-Format": wanted})
        except Exception as error:
            self.answer(500, str(error).encode(), {"X-ClickHouse-Exception-Code": "1"})
    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

class Server(http.server.ThreadingHTTPServer):
    # Who hangs up is no error of ours.
    def handle_error(self, request, address): pass

server = Server(("127.0.0.1", port), Handler)
# One at a time: the session is one connection.
lock = threading.Lock()
original = Handler.do_POST
def one_at_a_time(self):
    with lock: original(self)
Handler.do_POST = one_at_a_time
print("port", server.server_port, flush=True)
server.serve_forever()
`;

/** A ClickHouse of a test, whose data outlives its process. */
export class ClickHouseEngine {
  private readonly folder = mkdtempSync(join(tmpdir(), "clawfleet-clickhouse-"));
  private process: ChildProcess | undefined;
  port = 0;

  /** Starts it, at the same port as before if it ran already. */
  async start(): Promise<void> {
    const { python, env } = await pythonPrograms("chdb", () => undefined);
    mkdirSync(this.folder, { recursive: true });
    const script = join(this.folder, "server.py");
    writeFileSync(script, SERVER);
    const child = spawn(python, [script, this.folder, String(this.port)], {
      env: { ...env, ENGINE_USER, ENGINE_PASSWORD },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.process = child;
    for await (const line of createInterface(child.stdout)) {
      this.port = Number(/^port (\d+)$/.exec(line)?.[1]);
      break;
    }
    if (!(this.port > 0)) throw new Error("ClickHouse's engine did not start");
  }

  /** Kills it, as a node's failure would. */
  async stop(): Promise<void> {
    const child = this.process;
    this.process = undefined;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs a statement. */
  async run(sql: string): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${String(this.port)}/?default_format=JSONEachRow`, {
      method: "POST",
      headers: { Authorization: `Basic ${Buffer.from(`${ENGINE_USER}:${ENGINE_PASSWORD}`).toString("base64")}` },
      body: sql,
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${text}\n${sql}`);
    return text;
  }

  /** How many INSERTs with data there were into a table since the last time that this was asked. */
  async inserts(table: string): Promise<number> {
    return Number(await (await fetch(`http://127.0.0.1:${String(this.port)}/${table}`)).text());
  }

  /** The rows that a query answers. */
  async rows<Row = Record<string, unknown>>(sql: string): Promise<Row[]> {
    const lines = (await this.run(sql)).split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Row);
  }
}
