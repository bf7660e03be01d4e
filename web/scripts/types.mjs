// Writes the types of the API and of the analysis document from what the program itself says of them.
//
//   npm run types -- [PROGRAM]       by default ../target/debug/dealstage
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const program = process.argv[2] ?? new URL("../../target/debug/dealstage", import.meta.url).pathname;
const schema = (of) => JSON.parse(execFileSync(program, ["schema", of], { maxBuffer: 64 << 20, encoding: "utf8" }));
const head = "// Made by `npm run types`; not to be changed by hand.\n";
const write = (name, text) => writeFileSync(new URL(`../src/api/${name}`, import.meta.url), head + text);

write("schema.d.ts", astToString(await openapiTS(schema("api"))));

// The document's schema is a JSON Schema; as components of an empty API one generator serves both.
const { $defs: defs, $schema: _schema, $id: _id, ...analysis } = schema("analysis");
const components = JSON.parse(
  JSON.stringify({ ...defs, Analysis: analysis }).replaceAll("#/$defs/", "#/components/schemas/"),
);
const document = { openapi: "3.1.0", info: { title: "", version: "" }, paths: {}, components: { schemas: components } };
write("document.d.ts", astToString(await openapiTS(document)));
