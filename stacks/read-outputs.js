"use strict";
// Reads what the engine answers of a resource straight into plain values. Pulumi's SDK has google-protobuf make a message of each
// value, only to turn all of them into plain ones: a sixth of what a program takes of a preview.
const { Buffer } = require("node:buffer");
const { RegisterResourceResponse } = require("@pulumi/pulumi/proto/resource_pb");
const { Struct } = require("google-protobuf/google/protobuf/struct_pb");
const { Reader } = require("protobufjs/minimal");

/** The tag of the response's `object`: field 3, with its length. */
const OBJECT = (3 << 3) | 2;
const WIRE_TYPES = 7;

const { deserializeBinary } = RegisterResourceResponse;
RegisterResourceResponse.deserializeBinary = (bytes) => {
  const reader = Reader.create(bytes);
  const others = [];
  let object;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    if (tag === OBJECT) {
      object = reader.bytes();
    } else {
      reader.skipType(tag & WIRE_TYPES);
      others.push(bytes.subarray(start, reader.pos));
    }
  }
  const response = deserializeBinary(Buffer.concat(others));
  if (object !== undefined) {
    const struct = new Struct();
    struct.toJavaScript = () => readStruct(Reader.create(object));
    response.setObject(struct);
  }
  return response;
};

/** A message of google.protobuf.Struct: a map, whose entries have a key (1) and a value (2). */
function readStruct(reader, end = reader.len) {
  const struct = {};
  while (reader.pos < end) {
    reader.uint32();
    const entryEnd = reader.uint32() + reader.pos;
    let key = "";
    let value = null;
    while (reader.pos < entryEnd) {
      if (reader.uint32() >>> 3 === 1) key = reader.string();
      else value = readValue(reader, reader.uint32() + reader.pos);
    }
    // As the SDK has it, also for a key such as `__proto__`.
    struct[key] = value;
  }
  return struct;
}

/** A message of google.protobuf.Value: one of its fields. */
function readValue(reader, end) {
  let value = null;
  while (reader.pos < end) {
    switch (reader.uint32() >>> 3) {
      case 1:
        reader.int32();
        value = null;
        break;
      case 2:
        value = reader.double();
        break;
      case 3:
        value = reader.string();
        break;
      case 4:
        value = reader.bool();
        break;
      case 5:
        value = readStruct(reader, reader.uint32() + reader.pos);
        break;
      default:
        value = readList(reader, reader.uint32() + reader.pos);
    }
  }
  return value;
}

function readList(reader, end) {
  const list = [];
  while (reader.pos < end) {
    reader.uint32();
    list.push(readValue(reader, reader.uint32() + reader.pos));
  }
  return list;
}
