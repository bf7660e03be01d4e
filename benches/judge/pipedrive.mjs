// Pipedrive's own client: our body and query must be of the types that it declares, and it must send what we send.
// In: our requests as JSON. Out: for each null, or what the client sends and what the compiler says.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const load = createRequire(`${process.argv[2]}/package.json`);
const typescript = load("typescript");
const versions = { v1: load("pipedrive/v1"), v2: load("pipedrive/v2") };

// Version, path as the client has it, its class and method, the name of the body.
const ROUTES = [
  ["GET", "v2", "/deals/{id}", "DealsApi", "getDeal"],
  ["GET", "v2", "/deals", "DealsApi", "getDeals"],
  ["GET", "v2", "/deals/search", "DealsApi", "searchDeals"],
  ["PATCH", "v2", "/deals/{id}", "DealsApi", "updateDeal", "UpdateDealRequest"],
  ["GET", "v2", "/persons/search", "PersonsApi", "searchPersons"],
  ["GET", "v2", "/persons", "PersonsApi", "getPersons"],
  ["GET", "v2", "/itemSearch", "ItemSearchApi", "searchItem"],
  ["GET", "v2", "/stages", "StagesApi", "getStages"],
  ["GET", "v2", "/pipelines", "PipelinesApi", "getPipelines"],
  ["GET", "v2", "/dealFields", "DealFieldsApi", "getDealFields"],
  ["GET", "v1", "/dealFields", "DealFieldsApi", "getDealFields"],
  ["GET", "v2", "/activities", "ActivitiesApi", "getActivities"],
  ["GET", "v2", "/activities/{id}", "ActivitiesApi", "getActivity"],
  ["POST", "v2", "/activities", "ActivitiesApi", "addActivity", "AddActivityRequest"],
  ["DELETE", "v2", "/activities/{id}", "ActivitiesApi", "deleteActivity"],
  ["GET", "v1", "/notes", "NotesApi", "getNotes"],
  ["POST", "v1", "/notes", "NotesApi", "addNote", "AddNoteRequest"],
  ["DELETE", "v1", "/notes/{id}", "NotesApi", "deleteNote"],
  ["GET", "v1", "/users/me", "UsersApi", "getCurrentUser"],
  ["GET", "v1", "/users", "UsersApi", "getUsers"],
  ["POST", "v1", "/callLogs", "CallLogsApi", "addCallLog", "AddCallLogRequest"],
];

const requests = JSON.parse(readFileSync(0, "utf8"));
const found = requests.map(route);
const said = check(found);
const answers = [];
for (const [at, one] of found.entries()) {
  answers.push(one && { by: `pipedrive ${one.version} ${one.method}`, theirs: await send(one), wrong: said.get(at) ?? [] });
}
process.stdout.write(JSON.stringify(answers));

function route(request) {
  const path = request.path.replace(/^\/api\/(v\d)\//, "/$1/");
  for (const [verb, version, pattern, kind, method, body] of ROUTES) {
    const form = new RegExp(`^/${version}${pattern.replace("{id}", "(?<id>\\d+)")}$`);
    const match = verb === request.method && path.match(form);
    if (!match) continue;
    // In an address everything is text: what looks like a number or a truth value is one.
    const told = Object.fromEntries(request.query.map(([name, value]) => [name, plain(value)]));
    if (match.groups?.id !== undefined) told.id = plain(match.groups.id);
    if (body && request.body !== null) told[body] = request.body;
    return { version, kind, method, told, type: `${kind}${method[0].toUpperCase()}${method.slice(1)}Request` };
  }
  return null;
}

function plain(value) {
  if (/^-?\d+$/.test(value)) return Number(value);
  return value === "true" ? true : value === "false" ? false : value;
}

// One file in which every request is a constant of its type: names that the type does not have are errors too.
function check(found) {
  const lines = ['import * as v1 from "pipedrive/v1";', 'import * as v2 from "pipedrive/v2";'];
  const at = new Map();
  for (const [number, one] of found.entries()) {
    if (!one || !Object.keys(one.told).length) continue;
    at.set(lines.length, number);
    lines.push(`export const _${number}: ${one.version}.${one.type} = ${JSON.stringify(one.told)};`);
  }
  const name = `${process.argv[2]}/requests.ts`;
  const options = {
    strict: true, noEmit: true, skipLibCheck: true, moduleResolution: typescript.ModuleResolutionKind.Node16,
    module: typescript.ModuleKind.Node16, target: typescript.ScriptTarget.ES2022, types: [],
  };
  const host = typescript.createCompilerHost(options);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (file, ...rest) =>
    file === name ? typescript.createSourceFile(file, lines.join("\n"), options.target, true) : read(file, ...rest);
  const exists = host.fileExists.bind(host);
  host.fileExists = (file) => file === name || exists(file);
  const program = typescript.createProgram([name], options, host);
  const wrong = new Map();
  for (const one of typescript.getPreEmitDiagnostics(program)) {
    const line = one.file ? one.file.getLineAndCharacterOfPosition(one.start).line : -1;
    const message = typescript.flattenDiagnosticMessageText(one.messageText, " ");
    if (!at.has(line)) throw new Error(`the types cannot be read: ${message}`);
    wrong.set(at.get(line), [...(wrong.get(at.get(line)) ?? []), message]);
  }
  return wrong;
}

// What the client would send, caught before it leaves.
async function send({ version, kind, method, told }) {
  const { Configuration, [kind]: Api } = versions[version];
  let caught;
  const api = new Api(new Configuration({ apiKey: "key" }));
  api.axios.defaults.adapter = async (config) => {
    caught = config;
    return { data: {}, status: 200, statusText: "", headers: {}, config };
  };
  await api[method](told);
  const address = new URL(caught.url);
  return {
    method: caught.method.toUpperCase(),
    path: decodeURIComponent(address.pathname),
    query: [...address.searchParams],
    body: caught.data === undefined ? null : JSON.parse(caught.data),
    headers: {},
  };
}
