// Checks this codec against proto/vectors.json.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import protobuf from "protobufjs";
import { decodeParts, derived, digestOf, drawn } from "./codec.mjs";

const proto = new URL("../../proto/", import.meta.url).pathname;
const vectors = JSON.parse(readFileSync(`${proto}vectors.json`));
const root = new protobuf.Root();
root.resolvePath = (_origin, target) => proto + target;
const Parts = root.loadSync("limbeck_common/wire/v1/block.proto", { keepCase: true }).lookupType("limbeck.v1.Parts");
let bad = 0;
const check = (what, found, wanted) => {
  if (JSON.stringify(found) === JSON.stringify(wanted)) return;
  bad++;
  console.log(`WRONG ${what}: ${JSON.stringify(found)}; expected ${JSON.stringify(wanted)}`);
};

// JSON.parse rounds numbers beyond 2^53: seeds are read from the text.
const seeds = [...readFileSync(`${proto}vectors.json`, "utf8").matchAll(/"seed": (\d+)/g)].map((match) => BigInt(match[1]));
vectors.samples.forEach((each, i) => check(`sample ${i}`, drawn({ ...each, seed: seeds[i] }), each.rows));
vectors["derived seeds"].forEach((each, i) => check(each.text, String(derived(each.text)), String(seeds[vectors.samples.length + i])));
for (const each of [vectors["open data"]]) {
  const line = `limbeck-open-v1 ${each.type} ${each.shape.join("x")}\n`;
  check(line.trim(), createHash("sha256").update(line).update(Buffer.from(each.bytes, "hex")).digest("hex"), each.digest);
}
for (const each of vectors.parts) {
  const head = Parts.toObject(Parts.decode(Buffer.from(each.head, "base64")), { longs: String, enums: String, defaults: true, oneofs: true });
  const parts = decodeParts(head.parts, Buffer.from(each.payload, "hex"));
  for (const [name, part] of Object.entries(parts)) {
    if (each.rows[name]) check(`${each.shows}: rows`, part.rows, each.rows[name]);
    if (part.values && each.decoded[name]) check(`${each.shows}: values`, part.values.flat(), each.decoded[name][0].flat(Infinity));
  }
  check(`${each.shows}: digest`, digestOf(Object.entries(parts).map(([name, part]) => ({ name, ...part }))).toString("hex"), each.digest);
}
console.log(bad ? `${bad} wrong` : "every vector holds");
process.exit(bad ? 1 : 0);
