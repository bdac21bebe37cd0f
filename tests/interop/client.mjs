// A limbeck client for Node, written from proto/ alone. usage: node client.mjs ADDRESS PRIVATE.json STATE.json [NAME] [--die]
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import protobuf from "protobufjs";
import { decodeParts, digestOf, encodePart, indicesOf, payloadOf, rowsOf, steps } from "./codec.mjs";
import { Learner } from "./learner.mjs";

const [address, privateFile, stateFile, name = "node"] = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const dies = process.argv.includes("--die"); // once, after the second uplink is kept and before it is pushed
const proto = new URL("../../proto", import.meta.url).pathname;
const definition = loader.loadSync("limbeck_common/wire/v1/federation.proto", { includeDirs: [proto], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true });
const { Federation } = grpc.loadPackageDefinition(definition).limbeck.v1;
const server = new Federation(address, grpc.credentials.createInsecure());
const { root } = protobuf.parse('syntax = "proto3"; message Any { string type_url = 1; bytes value = 2; } message Status { int32 code = 1; string message = 2; repeated Any details = 3; } message ErrorInfo { string reason = 1; string domain = 2; }', { keepCase: true });
const CHUNK = 256 * 1024;
const CLIENT_SECONDS = 30;
const sleep = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
const deadline = (seconds) => ({ deadline: Date.now() + 1000 * seconds });

// Calls -----------------------------------------------------------------------------------------------------------------

function reasonOf(error) {
  const [bytes] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!bytes) return null;
  const status = root.lookupType("Status").decode(bytes);
  for (const detail of status.details) if (detail.type_url.endsWith("ErrorInfo")) return root.lookupType("ErrorInfo").decode(detail.value).reason;
  return null;
}

async function persistently(call) {
  for (let pause = 0.2; ; pause = Math.min(30, 2 * pause)) {
    try {
      return await call();
    } catch (error) {
      const reason = reasonOf(error);
      const away = [grpc.status.UNAVAILABLE, grpc.status.DEADLINE_EXCEEDED, grpc.status.CANCELLED, grpc.status.UNKNOWN, grpc.status.INTERNAL];
      if (reason ? !["STORE_FULL", "SERVER_BEHIND"].includes(reason) : !away.includes(error.code)) throw Object.assign(error, { reason });
      await sleep(pause * (0.5 + Math.random() / 2));
    }
  }
}

const unary = (method, request) => persistently(() => new Promise((done, fail) => server[method](request, deadline(CLIENT_SECONDS), (error, answer) => (error ? fail(error) : done(answer)))));

const stream = (call) => new Promise((done, fail) => {
  const messages = [];
  call.on("data", (message) => messages.push(message)).on("error", fail).on("end", () => done(messages));
});

async function openData(size) {
  let bytes = Buffer.alloc(0);
  while (bytes.length < size) {
    const messages = await persistently(() => stream(server.OpenData({ federation_id: state.federation, offset: bytes.length }, deadline(600))));
    bytes = Buffer.concat([bytes, ...messages.map((each) => each.chunk)]);
  }
  return bytes;
}

const pull = (after) => persistently(async () => {
  const request = { federation_id: state.federation, client_name: name, after_round: after, wait_seconds: 20, learned_round: state.learned, epoch: state.epoch };
  const messages = await stream(server.Pull(request, deadline(120)));
  const payload = Buffer.concat(messages.map((each) => each.chunk));
  if (messages[0]?.head && payload.length !== Number(messages[0].head.payload_size)) throw Object.assign(new Error("cut"), { code: grpc.status.UNAVAILABLE });
  return { ...messages[0], payload };
});

const push = (head, payload) => persistently(() => new Promise((done, fail) => {
  const call = server.Push(deadline(600), (error, answer) => (error ? fail(error) : done(answer)));
  call.write({ head, chunk: payload.subarray(0, CHUNK) });
  const rest = () => { for (let at = CHUNK; at < payload.length; at += CHUNK) call.write({ chunk: payload.subarray(at, at + CHUNK) }); call.end(); };
  if (payload.length <= CHUNK) call.end();
  else call.on("metadata", (metadata) => { if (metadata.get("limbeck-go-ahead")[0] === "1") rest(); });
}));

// State -----------------------------------------------------------------------------------------------------------------

const fresh = { federation: "", epoch: 1, learned: 0, weights: null, memory: {}, uplink: null, died: false };
const state = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile)) : { ...fresh };

function keep(head, payload) {
  state.weights = Array.from(learner.weights);
  state.uplink = head && { ...head, digest: head.digest.toString("base64"), payload: payload.toString("base64") };
  writeFileSync(`${stateFile}.new`, JSON.stringify(state));
  renameSync(`${stateFile}.new`, stateFile);
}

async function join() {
  const digest = createHash("sha256").update(`limbeck-open-v1 ${spec.sample_dtype} ${[spec.open_rows, ...spec.sample_shape].join("x")}\n`).update(open).digest();
  const answer = await unary("Join", { protocol_version: 1, client_name: name, open_digest: digest, output_width: spec.output.width });
  if (answer.federation_id !== state.federation || answer.epoch > state.epoch) Object.assign(state, { ...fresh, weights: answer.federation_id === state.federation ? state.weights : null });
  Object.assign(state, { federation: answer.federation_id, epoch: answer.epoch });
}

// Work ------------------------------------------------------------------------------------------------------------------

const same = (a, b) => a.every((value, i) => value === b[i]);

const METHODS = {
  dsfl: {
    learn: ({ labels }) => learner.train(labels.rows.map((row) => openRows[row]), labels.values, spec.recipe.distill.epochs),
    answer: ({ labels }) => [encodePart(labels, labels.open_indices, learner.predict(rowsOf(labels.open_indices).map((row) => openRows[row])))],
  },
  cfd: {
    learn: ({ labels }) => {
      const known = (state.memory.labels ??= {});
      labels.rows.forEach((row, i) => { known[row] = labels.values[i]; });
      const rows = Object.keys(known).map(Number).sort((a, b) => a - b);
      console.log(`labels ${createHash("sha256").update(new Uint8Array(new Float32Array(rows.flatMap((row) => known[row])).buffer)).digest("hex")}`);
      learner.train(rows.map((row) => openRows[row]), rows.map((row) => known[row]), spec.recipe.distill.epochs);
    },
    answer: ({ labels }) => {
      const bits = labels.encodings[0].form === "bits" ? labels.encodings[0].bits : 1, known = state.memory.labels ?? {};
      const coded = (row) => (bits === 1 ? row.map((_, i) => Number(i === row.indexOf(Math.max(...row)))) : steps(row, bits));
      const rows = rowsOf(labels.open_indices), values = learner.predict(rows.map((row) => openRows[row]));
      const changed = rows.map((row, i) => i).filter((i) => !known[rows[i]] || !same(coded(values[i]), coded(known[rows[i]])));
      return [encodePart(labels, changed.length === rows.length ? labels.open_indices : indicesOf(changed.map((i) => rows[i])), changed.map((i) => values[i]))];
    },
  },
  fd: {
    learn: ({ outputs }) => {
      const averages = Object.fromEntries(outputs.rows.map((label, i) => [label, outputs.values[i]]));
      const known = mine.x.map((_, i) => i).filter((i) => averages[mine.y[i]]);
      learner.train(known.map((i) => mine.x[i]), known.map((i) => averages[mine.y[i]]), spec.recipe.distill.epochs);
    },
    answer: ({ outputs }) => {
      const labels = [...new Set(mine.y)].sort((a, b) => a - b), found = learner.predict(mine.x);
      const mean = (label) => {
        const rows = found.filter((_, i) => mine.y[i] === label);
        return rows[0].map((_, c) => rows.reduce((sum, row) => sum + row[c], 0) / rows.length);
      };
      return [encodePart(outputs, indicesOf(labels), labels.map(mean))];
    },
  },
};

async function work(head, payload) {
  const method = METHODS[spec.method.name];
  state.learned = head.round;
  if (head.aggregate) {
    const parts = decodeParts(head.aggregate.parts, payload);
    const digest = digestOf(Object.entries(parts).map(([part, each]) => ({ name: part, ...each })));
    if (!digest.equals(head.aggregate.digest)) throw new Error("the aggregate has another digest than the server says");
    console.log(`aggregate ${head.round - 1} ${digest.toString("hex")}`);
    method.learn(parts);
  }
  let parts = [];
  if (!head.closing) {
    learner.train(mine.x, mine.y.map((label) => Array.from({ length: spec.output.width }, (_, c) => Number(c === label))), spec.recipe.fit.epochs);
    parts = method.answer(Object.fromEntries(head.plan.map((ask) => [ask.name, ask])));
  }
  const content = payloadOf(parts), found = learner.predict(mine.x);
  const accuracy = found.filter((row, i) => row.indexOf(Math.max(...row)) === mine.y[i]).length / mine.y.length;
  const uplink = { federation_id: state.federation, client_name: name, round: head.round, parts: parts.map((part) => ({ name: part.name, block: part.block })), metrics: { accuracy }, payload_size: content.length, digest: digestOf(parts), epoch: state.epoch };
  keep(uplink, content);
  if (dies && head.round === 2 && !state.died) {
    state.died = true;
    keep(uplink, content);
    process.kill(process.pid, "SIGKILL");
  }
  await deliver(uplink, content);
}

async function deliver(uplink, content) {
  const { receipt } = await push(uplink, content);
  console.log(`round ${uplink.round} ${receipt}`);
  keep(null);
}

// The federation --------------------------------------------------------------------------------------------------------

const invitation = await unary("Join", { protocol_version: 1, client_name: name });
const spec = JSON.parse(invitation.spec_json);
if (state.federation !== invitation.federation_id) Object.assign(state, { ...fresh, federation: invitation.federation_id, epoch: invitation.epoch });
const inputs = spec.sample_shape.reduce((a, b) => a * b, 1), channels = spec.sample_shape[0];
const normal = (bytes) => Array.from(bytes, (byte, i) => { const c = Math.floor((i * channels) / inputs) % spec.input_mean.length; return (byte / 255 - spec.input_mean[c]) / spec.input_std[c]; });
const given = JSON.parse(readFileSync(privateFile));
const mine = { x: given.x.map(normal), y: given.y };
const open = await openData(Number(invitation.open_data_size));
const openRows = Array.from({ length: spec.open_rows }, (_, row) => normal(open.subarray(row * inputs, (row + 1) * inputs)));
const learner = new Learner(inputs, spec.output.width, state.weights && Float64Array.from(state.weights));
await join();
if (state.uplink) {
  const { payload, ...head } = state.uplink;
  await deliver({ ...head, digest: Buffer.from(head.digest, "base64") }, Buffer.from(payload, "base64"));
}

let newest = null, ended = null, wake = () => {};
(async () => {
  for (let after = state.learned; !ended;) {
    try {
      const answer = await pull(after);
      if (answer.answer === "ended") ended = answer.ended;
      if (answer.answer === "head") { newest = answer; after = answer.head.round; }
    } catch (error) {
      if (!["WRONG_EPOCH", "WRONG_FEDERATION", "NOT_A_PARTICIPANT"].includes(error.reason)) { console.error(error.message); process.exit(1); }
      await join();
      after = Math.min(after, state.learned);
    }
    wake();
  }
})();

while (!ended || newest) {
  if (!newest) { await new Promise((done) => { wake = done; }); continue; }
  const { head, payload } = newest;
  newest = null;
  await work(head, payload);
}
console.log(`ended ${ended.state}`);
process.exit(ended.state === "finished" ? 0 : 3);
