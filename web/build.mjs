// Bundles src/ into dist/, which the Go binary embeds. File names carry a hash of their content, so that they may be
// cached for ever.
import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";

const dist = new URL("./dist/", import.meta.url).pathname;
await mkdir(dist, { recursive: true });
for (const name of await readdir(dist)) {
  if (name !== ".gitkeep") await rm(dist + name, { recursive: true });
}
const result = await build({
  entryPoints: { app: "src/main.ts", style: "src/style.css" },
  entryNames: "[name]-[hash]",
  outdir: dist,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  metafile: true,
  absWorkingDir: new URL(".", import.meta.url).pathname,
});
const outputs = Object.keys(result.metafile.outputs).map((path) => path.split("/").pop());
const named = (prefix, suffix) => outputs.find((name) => name.startsWith(prefix) && name.endsWith(suffix));
const html = await readFile(new URL("./src/index.html", import.meta.url), "utf8");
await writeFile(
  dist + "index.html",
  html.replace("app.js", named("app-", ".js")).replace("style.css", named("style-", ".css")),
);
