/**
 * What the search program uses of the gateway image beside what this package depends on itself: Node 24's SQLite, and
 * the MCP SDK that the gateway is a client with. The contract test runs the program against the real ones.
 */
declare module "node:sqlite" {
  type SqlValue = null | number | bigint | string | Uint8Array;

  export class StatementSync {
    all(parameters?: Record<string, SqlValue>): Record<string, SqlValue>[];
    get(parameters?: Record<string, SqlValue>): Record<string, SqlValue> | undefined;
    run(parameters?: Record<string, SqlValue>): { lastInsertRowid: number | bigint };
  }

  export class DatabaseSync {
    constructor(path: string);
    exec(sql: string): void;
    prepare(sql: string): StatementSync;
    function(name: string, options: { deterministic: boolean }, run: (...values: SqlValue[]) => SqlValue): void;
    close(): void;
  }
}

declare module "@modelcontextprotocol/sdk/server/mcp.js" {
  import type { infer as Parsed, ZodObject, ZodRawShape } from "zod";

  interface ToolResult {
    content: { type: "text"; text: string }[];
    isError?: boolean;
  }

  export class McpServer {
    constructor(info: { name: string; version: string });
    registerTool<Shape extends ZodRawShape>(
      name: string,
      config: { description: string; inputSchema: Shape; annotations: Record<string, boolean> },
      run: (args: Parsed<ZodObject<Shape>>) => Promise<ToolResult>,
    ): void;
    connect(transport: object): Promise<void>;
    close(): Promise<void>;
  }
}

declare module "@modelcontextprotocol/sdk/server/streamableHttp.js" {
  import type { IncomingMessage, ServerResponse } from "node:http";

  export class StreamableHTTPServerTransport {
    constructor(options: { sessionIdGenerator: undefined; enableJsonResponse: boolean });
    handleRequest(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void>;
  }
}
