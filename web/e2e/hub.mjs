// A hub of models on this machine: the part of the Hugging Face HTTP API that the studio asks for, with one repository
// of one file. Its line is slow and stops short of the file's end until it is opened, so that an installation can be
// watched and canceled.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

export const repo = "maker/portrait";
const commit = createHash("sha1").update(repo).digest("hex");
const name = "w.safetensors";

export class Hub {
  content = safetensors(8_000_000);
  open = false;
  gated = false;
  /** Answers that wait for the line to be opened. */
  #held = new Set();

  async start() {
    this.server = createServer((request, response) => this.#serve(request, response)).listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  openLine() {
    this.open = true;
    for (const finish of this.#held) finish();
    this.#held.clear();
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  #serve(request, response) {
    const { pathname } = new URL(request.url, this.url);
    const json = (value) => response.setHeader("Content-Type", "application/json").end(JSON.stringify(value));
    const size = this.content.length;
    if ([`/api/models/${repo}/revision/main`, `/api/models/${repo}/revision/${commit}`].includes(pathname))
      return json({ id: repo, sha: commit, gated: this.gated && "auto" });
    const oid = createHash("sha256").update(this.content).digest("hex");
    if (pathname === `/api/models/${repo}/tree/${commit}`)
      return json([{ type: "file", path: name, size, oid: commit, lfs: { oid, size, pointerSize: 134 } }]);
    if (pathname !== `/${repo}/resolve/${commit}/${name}`) return response.writeHead(404).end();
    if (this.gated) return response.writeHead(401, { "X-Error-Code": "GatedRepo" }).end();
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    response.writeHead(from ? 206 : 200, {
      ETag: `"${oid}"`,
      "Content-Length": size - from,
      "Accept-Ranges": "bytes",
      ...(from && { "Content-Range": `bytes ${from}-${size - 1}/${size}` }),
    });
    this.#drip(response, from);
  }

  /** A hundredth at a time up to nine tenths; the rest when the line is open. */
  #drip(response, from) {
    let at = from;
    const step = this.content.length / 100;
    const finish = () => {
      clearInterval(timer);
      response.end(this.content.subarray(at));
    };
    const timer = setInterval(() => {
      if (this.open) return finish();
      if (at >= this.content.length * 0.9) return;
      response.write(this.content.subarray(at, (at += step)));
    }, 50);
    this.#held.add(finish);
    response.on("close", () => {
      clearInterval(timer);
      this.#held.delete(finish);
    });
  }
}

/** A manifest of an engine whose model comes from the hub above. */
export const manifest = `
id: painter
quality: final
module: painter
venv: models
licence: MIT
description: {en: "Paints.", pt-BR: "Pinta."}
install: {en: "Run \`apibr models setup\`.", pt-BR: "Execute \`apibr models setup\`."}
tasks: {image.generate: {parameters: {type: object}, phases: [{name: draw, weight: 1}]}}
models:
  - id: portrait
    name: Portrait Model
    description: {en: "Only portraits.", pt-BR: "Só retratos."}
    licence: {id: nc, name: Example Non-Commercial, url: "https://example.org/licence", accept: true}
    variants:
      - {id: Q4, disk_bytes: 8000000, parts: {weights: {repo: ${repo}, patterns: ["*.safetensors"]}}}
      - {id: Q8, disk_bytes: 16000000, parts: {weights: {repo: ${repo}, patterns: ["*.safetensors"]}}}
`;

/** A file of that many bytes in the format of safetensors, with one tensor. */
function safetensors(bytes) {
  const head = 128;
  const size = bytes - head;
  const header = JSON.stringify({ weight: { dtype: "U8", shape: [size], data_offsets: [0, size] } }).padEnd(head - 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(size, "weights ")]);
}
