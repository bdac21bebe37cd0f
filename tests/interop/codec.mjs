// Row numbers, arrays, encodings and digests, from docs/protocol.md alone.
import { createHash } from "node:crypto";
import { inflateSync, deflateSync } from "node:zlib";

const MASK = (1n << 64n) - 1n;
const TYPES = {
  ELEMENT_TYPE_FLOAT32: ["<f4", 4], ELEMENT_TYPE_FLOAT64: ["<f8", 8], ELEMENT_TYPE_FLOAT16: ["<f2", 2],
  ELEMENT_TYPE_UINT8: ["|u1", 1], ELEMENT_TYPE_INT64: ["<i8", 8], ELEMENT_TYPE_UINT16: ["<u2", 2], ELEMENT_TYPE_UINT32: ["<u4", 4],
};
const NAMES = { ELEMENT_TYPE_FLOAT32: "float32", ELEMENT_TYPE_FLOAT64: "float64", ELEMENT_TYPE_FLOAT16: "float16", ELEMENT_TYPE_UINT8: "uint8", ELEMENT_TYPE_UINT16: "uint16", ELEMENT_TYPE_UINT32: "uint32", ELEMENT_TYPE_INT64: "int64" };
const RANGES = { VALUE_KIND_PROBABILITIES: [0, 1], VALUE_KIND_MEMBERSHIPS: [0, 1], VALUE_KIND_VOTES: [0, 1] };
const product = (shape) => shape.reduce((a, b) => a * Number(b), 1);

// Numbers ---------------------------------------------------------------------------------------------------------------

export function drawn({ seed, count, population }) {
  const tickets = [];
  for (let row = 0n; row < BigInt(population); row++) {
    let z = (BigInt(seed) + (row + 1n) * 0x9e3779b97f4a7c15n) & MASK;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    tickets.push([z ^ (z >> 31n), Number(row)]);
  }
  tickets.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] - b[1]));
  return tickets.slice(0, Number(count)).map(([, row]) => row).sort((a, b) => a - b);
}

export function derived(text) {
  return createHash("sha256").update(text).digest().readBigUInt64BE(0) >> 1n;
}

export function rowsOf(indices) {
  if (indices.sample) return drawn(indices.sample);
  const rows = [];
  if (indices.ranges) {
    let at = 0;
    const steps = indices.ranges.gaps_and_lengths.map(Number);
    for (let i = 0; i < steps.length; i += 2) {
      at += steps[i];
      for (let k = 0; k < steps[i + 1]; k++) rows.push(at++);
    }
  } else if (indices.bitmap) {
    indices.bitmap.bits.forEach((byte, i) => { for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) rows.push(8 * i + bit); });
  }
  return rows;
}

export function indicesOf(rows) {
  const steps = [];
  let at = 0;
  for (let i = 0; i < rows.length;) {
    let end = i + 1;
    while (end < rows.length && rows[end] === rows[end - 1] + 1) end++;
    steps.push(rows[i] - at, end - i);
    at = rows[end - 1] + 1;
    i = end;
  }
  return { ranges: { gaps_and_lengths: steps } };
}

function toHalf(value) {
  const [bits] = new Uint32Array(new Float32Array([value]).buffer);
  const sign = (bits >>> 16) & 0x8000, exponent = (bits >>> 23) & 0xff, fraction = bits & 0x7fffff;
  if (exponent >= 143) return sign | 0x7c00 | (exponent === 255 && fraction ? 0x200 : 0);
  const full = exponent < 113 ? (fraction | 0x800000) : fraction | ((exponent - 112) << 23);
  const shift = exponent < 113 ? 126 - exponent : 13;
  if (shift > 24) return sign;
  const half = full >>> shift, rest = full & ((1 << shift) - 1), tie = 1 << (shift - 1);
  return sign | (half + (rest > tie || (rest === tie && half & 1) ? 1 : 0)); // to nearest, ties to even
}

function fromHalf(half) {
  const sign = half & 0x8000 ? -1 : 1, exponent = (half >> 10) & 31, fraction = half & 1023;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  return exponent === 31 ? (fraction ? NaN : sign * Infinity) : sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}

function read(type, bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length), size = TYPES[type][1];
  const reader = { "<f4": (at) => view.getFloat32(at, true), "<f8": (at) => view.getFloat64(at, true), "<f2": (at) => fromHalf(view.getUint16(at, true)), "|u1": (at) => bytes[at], "<u2": (at) => view.getUint16(at, true), "<u4": (at) => view.getUint32(at, true), "<i8": (at) => Number(view.getBigInt64(at, true)) }[TYPES[type][0]];
  return Array.from({ length: bytes.length / size }, (_, i) => reader(i * size));
}

export function write(type, values) {
  const bytes = Buffer.alloc(values.length * TYPES[type][1]);
  values.forEach((value, i) => {
    switch (TYPES[type][0]) {
      case "<f4": bytes.writeFloatLE(value, 4 * i); break;
      case "<f8": bytes.writeDoubleLE(value, 8 * i); break;
      case "<f2": bytes.writeUInt16LE(toHalf(value), 2 * i); break;
      case "|u1": bytes[i] = value; break;
      case "<u2": bytes.writeUInt16LE(value, 2 * i); break;
      case "<u4": bytes.writeUInt32LE(value, 4 * i); break;
      case "<i8": bytes.writeBigInt64LE(BigInt(value), 8 * i); break;
    }
  });
  return bytes;
}

// Blocks ----------------------------------------------------------------------------------------------------------------

// Take each part's arrays off the payload, and decode its rows: {name: {block, rows, arrays, values}}.
export function decodeParts(parts, payload) {
  const found = {};
  let at = 0;
  for (const { name, block } of parts) {
    const arrays = block.values.map((tensor) => {
      const plain = product(tensor.shape) * TYPES[tensor.element_type][1], size = Number(tensor.deflated_size) || plain;
      const bytes = payload.subarray(at, at + size);
      at += size;
      return { type: tensor.element_type, shape: tensor.shape.map(Number), bytes: Number(tensor.deflated_size) ? inflateSync(bytes) : bytes };
    });
    const rows = block.keys === "open_indices" ? rowsOf(block.open_indices) : block.keys === "classes" ? rowsOf(block.classes) : block.keys === "made" ? Array.from({ length: Number(block.made) }, (_, i) => i) : [];
    found[name] = { block, rows, arrays, values: block.keys === "parameters" ? null : decode(block, arrays) };
  }
  if (at !== payload.length) throw new Error(`${payload.length - at} bytes too many`);
  return found;
}

function decode(block, arrays) {
  const width = product(block.row_shape), encoding = block.encoding, keys = arrays[0].shape[0];
  const flat = arrays.map((each) => read(each.type, each.bytes));
  const rowsOf = (of) => Array.from({ length: keys }, (_, row) => of(row));
  switch (encoding.form) {
    case "plain": return rowsOf((row) => flat[0].slice(row * width, (row + 1) * width));
    case "one_class": return rowsOf((row) => Array.from({ length: width }, (_, i) => Number(i === flat[0][row])));
    case "bits": {
      const bits = encoding.bits, across = arrays[0].shape[1], [low, high] = RANGES[block.kind] ?? [-32768, 32768];
      const step = (row, i) => {
        let code = 0;
        for (let bit = i * bits; bit < (i + 1) * bits; bit++) code = 2 * code + ((flat[0][row * across + (bit >> 3)] >> (7 - (bit & 7))) & 1);
        return Math.fround(low + code * ((high - low) / (2 ** bits - 1)));
      };
      return rowsOf((row) => Array.from({ length: width }, (_, i) => step(row, i)));
    }
    case "top": {
      const k = arrays[0].shape[1];
      return rowsOf((row) => {
        const values = flat[1].slice(row * k, (row + 1) * k), left = 1 - values.reduce((a, b) => a + b, 0);
        const dense = Array(width).fill(Math.fround(Math.max(0, left) / Math.max(1, width - k)));
        values.forEach((value, i) => { dense[flat[0][row * k + i]] = value; });
        return dense;
      });
    }
  }
  throw new Error(`unknown encoding ${encoding.form}`);
}

const numbers = (width) => (width <= 256 ? "ELEMENT_TYPE_UINT8" : width <= 65536 ? "ELEMENT_TYPE_UINT16" : "ELEMENT_TYPE_UINT32");
const likeliest = (row) => row.indexOf(Math.max(...row));

// Return a part that answers an ask with rows of values, in the ask's first encoding, and its arrays before deflation.
export function encodePart(ask, keys, values) {
  const encoding = ask.encodings[0], shape = ask.row_shape.map(Number), width = product(shape), rows = values.length;
  let arrays;
  switch (encoding.form) {
    case "plain": arrays = [{ type: encoding.plain, shape: [rows, ...shape], bytes: write(encoding.plain, values.flat()) }]; break;
    case "one_class": arrays = [{ type: numbers(width), shape: [rows], bytes: write(numbers(width), values.map(likeliest)) }]; break;
    case "bits": arrays = [{ type: "ELEMENT_TYPE_UINT8", shape: [rows, Math.ceil((width * encoding.bits) / 8)], bytes: Buffer.concat(values.map((row) => packed(steps(row, encoding.bits), encoding.bits))) }]; break;
    case "top": {
      const k = encoding.top.k, type = encoding.top.values;
      const kept = values.map((row) => row.map((_, i) => i).sort((a, b) => row[b] - row[a] || a - b).slice(0, k).sort((a, b) => a - b));
      arrays = [{ type: numbers(width), shape: [rows, k], bytes: write(numbers(width), kept.flat()) },
        { type, shape: [rows, k], bytes: write(type, kept.flatMap((columns, row) => columns.map((i) => values[row][i]))) }];
    }
  }
  const block = { [ask.keys]: keys, kind: ask.kind, encoding, row_shape: ask.row_shape, values: [] };
  return { name: ask.name, block, arrays, rows: rowsOf(keys) };
}

// Labels in steps of 1 / (2^b - 1) that still sum to 1: rounded down, the rest to the largest remainders.
export function steps(row, bits) {
  const most = 2 ** bits - 1, scaled = row.map((value) => value * most), codes = scaled.map(Math.floor);
  const order = row.map((_, i) => i).sort((a, b) => (scaled[b] - codes[b]) - (scaled[a] - codes[a]) || a - b);
  const missing = most - codes.reduce((a, b) => a + b, 0);
  for (let i = 0; i < missing; i++) codes[order[i]]++;
  return codes;
}

function packed(codes, bits) {
  const bytes = Buffer.alloc(Math.ceil((codes.length * bits) / 8));
  codes.forEach((code, i) => { for (let bit = 0; bit < bits; bit++) if ((code >> (bits - 1 - bit)) & 1) bytes[(i * bits + bit) >> 3] |= 128 >> ((i * bits + bit) & 7); });
  return bytes;
}

// Fill in the parts' tensors, and return their payload. Bytes travel deflated where that makes them smaller.
export function payloadOf(parts) {
  const chunks = [];
  for (const { block, arrays } of parts) {
    block.values = arrays.map(({ type, shape, bytes }) => {
      const small = type === "ELEMENT_TYPE_UINT8" ? deflateSync(bytes) : bytes, deflated = small.length < bytes.length;
      chunks.push(deflated ? small : bytes);
      return { element_type: type, shape, deflated_size: deflated ? small.length : 0 };
    });
  }
  return Buffer.concat(chunks);
}

// Digest of parts, each {name, block, rows, arrays}.
export function digestOf(parts) {
  const hash = createHash("sha256");
  const array = (type, shape, bytes) => hash.update(`${TYPES[type][0]} ${shape.join("x")}\n`).update(bytes);
  for (const { name, block, rows, arrays } of [...parts].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))) {
    const encoding = block.encoding;
    const said = { plain: () => NAMES[encoding.plain], bits: () => `${encoding.bits} bit`, one_class: () => "one class", top: () => `top ${encoding.top.k} as ${NAMES[encoding.top.values]}` }[encoding?.form ?? ""]?.() ?? "float32";
    const space = { open_indices: "open", classes: "classes", made: "made", parameters: "parameters" }[block.keys ?? Object.keys(block).find((key) => ["open_indices", "classes", "made", "parameters"].includes(key))];
    const weights = (block.key_weights ?? []).map(Number);
    const shape = space === "parameters" ? "" : block.row_shape.map(Number).join("x");
    hash.update(`${Buffer.byteLength(name)} ${name}\n${space} ${block.kind.slice(11).toLowerCase()} ${said} [${shape}] ${weights.length ? "keys" : Number(block.weight ?? 0) || 1}\n`);
    if (space === "parameters") block.parameters.names.forEach((each) => hash.update(`${Buffer.byteLength(each)} ${each}\n`));
    else array("ELEMENT_TYPE_INT64", [rows.length], write("ELEMENT_TYPE_INT64", rows));
    if (weights.length) array("ELEMENT_TYPE_INT64", [weights.length], write("ELEMENT_TYPE_INT64", weights));
    arrays.forEach((each) => array(each.type, each.shape, each.bytes));
  }
  return hash.digest();
}
