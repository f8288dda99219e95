// What the workers are compared with: an MCP server as the official TypeScript SDK's guide
// builds it for Workers. It lists the very tools of the worker it is compared with; one of
// them answers with its arguments.
import { createMcpHandler, fromJsonSchema, McpServer } from "@modelcontextprotocol/server";
// Put there by the bench: the result of tools/list of the Rust worker.
import { tools } from "listed-tools";

interface Listed {
  name: string;
  inputSchema: Record<string, unknown>;
  outputSchema?: Record<string, unknown>;
  [field: string]: unknown;
}

// Made once: what is left for each request is what the SDK does for each.
const known = (tools as Listed[]).map(({ name, inputSchema, outputSchema, ...about }) => ({
  name,
  about: {
    ...about,
    inputSchema: fromJsonSchema(inputSchema),
    ...(outputSchema && { outputSchema: fromJsonSchema(outputSchema) }),
  },
}));

function echo(input: unknown) {
  return { content: [{ type: "text" as const, text: JSON.stringify(input) }], structuredContent: input as object };
}

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "typescript", version: "1.0.0" });
  for (const { name, about } of known) server.registerTool(name, about, echo);
  return server;
});

export default { fetch: (request: Request) => handler.fetch(request) };
