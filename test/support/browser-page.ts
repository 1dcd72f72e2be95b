import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { DebianPrograms } from "../../engine/programs/debian";

/** What the browser says over its DevTools protocol: an answer, or an event. */
interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** A page in a real Chromium, spoken to through a pipe: no port, and no socket library. */
export class Page {
  /** The URL of each request that the page made. */
  readonly requests: string[] = [];
  /** What the browser complained about: refused content, errors of scripts. */
  readonly problems: string[] = [];
  private readonly waiting = new Map<number, (message: Message) => void>();
  private readonly once = new Map<string, () => void>();
  private session: string | undefined;
  private lastId = 0;
  private rest = "";

  private constructor(
    private readonly browser: ChildProcess,
    private readonly profile: string,
  ) {
    (browser.stdio[4] as Readable).setEncoding("utf8").on("data", (chunk: string) => {
      const messages = (this.rest + chunk).split("\0");
      this.rest = messages.pop() ?? "";
      for (const message of messages) this.receive(JSON.parse(message) as Message);
    });
  }

  static async open(programs: DebianPrograms, url: string): Promise<Page> {
    const profile = mkdtempSync(join(tmpdir(), "clawfleet-browser-"));
    const program = programs.file("/usr/lib/chromium/chromium-headless-shell");
    const args = ["--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", `--user-data-dir=${profile}`];
    const browser = spawn(program, args, {
      env: { ...programs.env, HOME: profile },
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    const page = new Page(browser, profile);
    const { targetId } = await page.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await page.send("Target.attachToTarget", { targetId, flatten: true });
    page.session = String(sessionId);
    for (const domain of ["Page", "Runtime", "Network", "Log", "Accessibility"]) await page.send(`${domain}.enable`);
    await page.goto(url);
    return page;
  }

  /** Loads a page, and waits until it is there with all that belongs to it. */
  async goto(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => this.once.set("Page.loadEventFired", resolve));
    await this.send("Page.navigate", { url });
    await loaded;
  }

  /** The value of an expression in the page. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, returnByValue: true });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value?: unknown }).value;
  }

  async preferColours(scheme: "light" | "dark"): Promise<void> {
    await this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  }

  /** Role and name of everything that assistive technology is told of. */
  async accessibleNames(): Promise<{ role: unknown; name: unknown }[]> {
    const { nodes } = await this.send("Accessibility.getFullAXTree");
    return (nodes as { ignored: boolean; role?: { value: unknown }; name?: { value: unknown } }[])
      .filter(({ ignored }) => !ignored)
      .map(({ role, name }) => ({ role: role?.value, name: name?.value }));
  }

  async close(): Promise<void> {
    const ended = once(this.browser, "exit");
    this.browser.kill("SIGKILL");
    await ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  private async send(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = ++this.lastId;
    const answer = new Promise<Message>((resolve) => this.waiting.set(id, resolve));
    const session = this.session === undefined ? {} : { sessionId: this.session };
    (this.browser.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    const { result, error } = await answer;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }

  private receive({ id, method = "", params = {}, ...answer }: Message): void {
    if (id !== undefined) {
      this.waiting.get(id)?.(answer);
      this.waiting.delete(id);
    }
    if (method === "Network.requestWillBeSent") this.requests.push((params.request as { url: string }).url);
    if (method === "Log.entryAdded" || method === "Runtime.exceptionThrown") this.problems.push(JSON.stringify(params));
    this.once.get(method)?.();
    this.once.delete(method);
  }
}
