// A time stamping authority (RFC 3161) over HTTP: `openssl ts -reply` behind a port of this machine, with a root and a
// certificate made for the occasion.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const MAX_QUERY = 4096;
const CONFIG = `[tsa]
default_tsa = one
[one]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
`;

/**
 * @returns {Promise<{url: string, root: string, folder: string, replies: Buffer[], down: boolean, close: () => Promise<void>}>}
 *   `root` is the trust anchor in PEM; while `down` is true it answers 503.
 */
export async function startAuthority() {
  const folder = mkdtempSync(join(tmpdir(), "chitty-tsa-"));
  const openssl = (...args) => run("openssl", args, { cwd: folder });
  writeFileSync(join(folder, "tsa.cnf"), CONFIG);
  writeFileSync(join(folder, "tsa.ext"), "extendedKeyUsage=critical,timeStamping\n");
  writeFileSync(join(folder, "serial"), "01\n");
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await openssl("req", "-x509", ...key, "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=Example root", "-days", "2");
  await openssl("req", "-new", ...key, "-keyout", "tsa.key", "-out", "csr", "-subj", "/CN=Example authority");
  const signed = ["-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-extfile", "tsa.ext", "-days", "2"];
  await openssl("x509", "-req", "-in", "csr", ...signed, "-out", "tsa.pem");

  const authority = { folder, root: readFileSync(join(folder, "root.pem"), "utf8"), replies: [], down: false };
  let last = Promise.resolve();
  const server = createServer((request, response) => {
    // One at a time: they share the serial number's file.
    last = last.then(() => answer(request, response)).catch((error) => response.writeHead(500).end(String(error)));
  });
  async function answer(request, response) {
    const query = await body(request);
    if (authority.down || request.headers["content-type"] !== "application/timestamp-query") {
      response.writeHead(authority.down ? 503 : 415).end();
      return;
    }
    writeFileSync(join(folder, "query.tsq"), query);
    await openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr");
    const reply = readFileSync(join(folder, "reply.tsr"));
    authority.replies.push(reply);
    response.writeHead(200, { "content-type": "application/timestamp-reply" }).end(reply);
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  authority.url = `http://127.0.0.1:${server.address().port}/tsr`;
  authority.close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
    rmSync(folder, { recursive: true, force: true });
  };
  /** What `openssl ts -verify` says of a reply about `data`; throws if it does not hold. */
  authority.verify = async (data, reply) => {
    writeFileSync(join(folder, "data"), data);
    writeFileSync(join(folder, "judged.tsr"), reply);
    await openssl("ts", "-verify", "-data", "data", "-in", "judged.tsr", "-CAfile", "root.pem");
  };
  return authority;
}

async function body(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_QUERY) throw new Error("the query is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
