// What the workers are compared with: an MCP server as the official TypeScript SDK's guide
// builds it for Workers. It lists the very tools of the worker it is compared with; one of
// them answers with its arguments.
import { createMcpHandler, fromJsonSchema, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
// Put there by the bench: the tools that the Rust worker lists.
import { tools } from "listed-tools";

type JsonSchema = Record<string, unknown>;

interface Listed {
  name: string;
  inputSchema: JsonSchema;
  outputSchema?: JsonSchema;
  [field: string]: unknown;
}

type Schema = ReturnType<typeof fromJsonSchema>;

/** As the guide does it: schemas are Zod's. A keyword that Zod does not know is left to the SDK's own validator. */
function zod(schema: JsonSchema): Schema {
  try {
    return z.fromJSONSchema(schema) as unknown as Schema;
  } catch {
    return fromJsonSchema(schema);
  }
}

function echo(input: unknown) {
  return { content: [{ type: "text" as const, text: JSON.stringify(input) }], structuredContent: input as object };
}

function handlerWith(schemaOf: (schema: JsonSchema) => Schema) {
  // Made once: what is left for each request is what the SDK does for each.
  const known = (tools as Listed[]).map(({ name, inputSchema, outputSchema, ...about }) => ({
    name,
    about: { ...about, inputSchema: schemaOf(inputSchema), ...(outputSchema && { outputSchema: schemaOf(outputSchema) }) },
  }));
  return createMcpHandler(() => {
    const server = new McpServer({ name: "typescript", version: "1.0.0" });
    for (const { name, about } of known) server.registerTool(name, about, echo);
    return server;
  });
}

const guide = handlerWith(zod);
/** The fastest that the SDK can be: schemas that are JSON already. */
const plain = handlerWith(fromJsonSchema);

export default {
  fetch(request: Request) {
    return (request.url.endsWith("/json-schema") ? plain : guide).fetch(request);
  },
};
