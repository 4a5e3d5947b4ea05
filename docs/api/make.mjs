// node make.mjs SCHEMA.json FOLDER: write types.d.ts and collection.json (Postman, Apifox) out of the OpenAPI description.
import { readFile, writeFile } from "node:fs/promises"
import { promisify } from "node:util"
import converter from "openapi-to-postmanv2"
import openapiTS, { astToString } from "openapi-typescript"

const [file, folder] = process.argv.slice(2)
const schema = JSON.parse((await readFile(file, "utf8")).replaceAll("BASE_URL", "http://127.0.0.1:8000"))

const types = await openapiTS(structuredClone(schema), { rootTypes: true, rootTypesNoSchemaPrefix: true })
const head = "// Made by `make api-files` from /schema/. import type { Order, Student } from \"./types\"\n\n"
await writeFile(`${folder}/types.d.ts`, head + astToString(types))

const { result, output, reason } = await promisify(converter.convert)(
  { type: "json", data: schema },
  { folderStrategy: "Tags", preferredRequestBodyType: "first-listed", parametersResolution: "Example", includeAuthInfoInExample: false, optimizeConversion: false },
)
if (!result) throw new Error(reason)
await writeFile(`${folder}/collection.json`, JSON.stringify(ready(output[0].data), null, 2) + "\n")

/** The collection with an address and a token to fill in once; logging in fills the token. */
function ready(collection) {
  collection = withoutIds(collection)
  collection.info.name = schema.info.title
  collection.variable = [
    { key: "baseUrl", value: "http://127.0.0.1:8000" },
    { key: "token", value: "" },
  ]
  collection.auth = {
    type: "apikey",
    apikey: [
      { key: "key", value: "authorization" },
      { key: "value", value: "{{token}}" },
      { key: "in", value: "header" },
    ],
  }
  for (const item of requests(collection)) {
    delete item.request.auth
    item.response = []
    start(item.request)
    if (item.request.url.path.join("/") !== "users/login") continue
    item.event = [
      {
        listen: "test",
        script: {
          type: "text/javascript",
          exec: ["const { token } = pm.response.json()", 'if (token) pm.collectionVariables.set("token", token)'],
        },
      },
    ]
  }
  return collection
}

/** Fill a request with the example of its description; what has none stands there, switched off. */
function start(request) {
  const path = "/" + request.url.path.join("/").replace(/:(\w+)/g, "{$1}")
  const { parameters = [], requestBody } = schema.paths[path][request.method.toLowerCase()]
  for (const entry of request.url.query) {
    const examples = parameters.find(parameter => parameter.name === entry.key).examples
    entry.disabled = !examples
    entry.value = examples ? String(Object.values(examples)[0].value) : ""
  }
  const examples = requestBody?.content["application/json"]?.examples
  if (!examples) return
  request.header = [{ key: "Content-Type", value: "application/json" }]
  const raw = JSON.stringify(Object.values(examples)[0].value, null, 2)
  request.body = { mode: "raw", raw, options: { raw: { language: "json" } } }
}

function* requests(folder) {
  for (const item of folder.item) {
    if (item.request) yield item
    else yield* requests(item)
  }
}

/** Ids are drawn anew each time: without them equal descriptions make equal files. */
function withoutIds(value) {
  if (Array.isArray(value)) return value.map(withoutIds)
  if (value === null || typeof value !== "object") return value
  const kept = Object.entries(value).filter(([name, inner]) => !(/^(id|_postman_id)$/.test(name) && typeof inner === "string"))
  return Object.fromEntries(kept.map(([name, inner]) => [name, withoutIds(inner)]))
}
