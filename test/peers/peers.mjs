// SPDX-License-Identifier: LGPL-2.1-or-later
// The peers of the tests, each as a subcommand:
//
//   peers.mjs s3 FOLDER        s3rver with the bucket "reports"; says "ready PORT"
//   peers.mjs sentry FOLDER    Spotlight's sidecar; each envelope becomes FOLDER/N.json, as Spotlight
//                              and as Sentry's own library understand it; says "ready PORT"
//
// They end with their standard input. Packages are taken from NODE_PATH's folder, as modules are not.
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const packages = join(process.env.NODE_PATH, "..", "package.json");
const require = createRequire(packages);
const [command, folder] = process.argv.slice(2);

async function s3() {
  const S3rver = require("s3rver");
  const server = new S3rver({
    port: 0, address: "127.0.0.1", silent: true, directory: folder,
    configureBuckets: [{ name: "reports" }],
  });
  const { port } = await server.run();
  console.log(`ready ${port}`);
}

// What a program that reads events sees of an envelope.
function describe(core, envelope) {
  const [header, items] = core.parseEnvelope(envelope);
  return {
    header,
    items: items.map(([itemHeader, payload]) => ({
      header: itemHeader,
      category: core.envelopeItemTypeToDataCategory(itemHeader.type),
      event: itemHeader.type === "event" ? JSON.parse(new TextDecoder().decode(payload)) : undefined,
      data: itemHeader.type === "attachment" ? Buffer.from(payload).toString("base64") : undefined,
    })),
  };
}

async function sentry() {
  const entry = join(process.env.NODE_PATH, "@spotlightjs", "sidecar", "dist");
  const { setupSidecar } = await import(pathToFileURL(join(entry, "main.js")));
  const { processEnvelope } = await import(pathToFileURL(join(entry, "parser", "index.js")));
  const core = require("@sentry/core");
  let n = 0;
  const server = await setupSidecar({
    port: 0,
    incomingPayload: (binary) => {
      const body = Buffer.from(binary, "binary");
      const seen = describe(core, body);
      const spotlight = processEnvelope({ contentType: "application/x-sentry-envelope", data: body });
      seen.spotlight = spotlight.envelope[1].map(([header]) => header.type);
      writeFileSync(join(folder, `${n++}.json`), JSON.stringify(seen));
    },
  });
  // Sentry's own address ends with a slash, which this server does not know.
  server.prependListener("request", (request) => {
    request.url = request.url.replace(/\/envelope\/$/, "/envelope");
  });
  console.log(`ready ${server.address().port}`);
}

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
await { s3, sentry }[command]();
