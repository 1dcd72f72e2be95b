import { createRequire } from "node:module";
import { Reader } from "protobufjs/minimal";

/** What google-protobuf reads a message with, as far as it is needed here. */
interface MessageReader {
  nextField: () => boolean;
  isEndGroup: () => boolean;
  readBytes: () => Uint8Array;
}

/** A message of google.protobuf.Struct. */
interface StructMessage {
  toJavaScript: () => object;
}

/**
 * Has google-protobuf read what the engine sends of resources, messages of google.protobuf.Struct, straight into plain
 * values. By itself it makes a message of each value, which Pulumi's SDKs only turn into plain ones: a sixth of a program's
 * part of a preview, a quarter of the policies'.
 * @param module a module of the package whose google-protobuf is meant.
 */
export function readStructsPlainly(module: string): void {
  const { Struct } = createRequire(module)("google-protobuf/google/protobuf/struct_pb") as {
    Struct: { deserializeBinaryFromReader: (message: StructMessage, reader: MessageReader) => StructMessage };
  };
  Struct.deserializeBinaryFromReader = (message, reader) => {
    const fields: Record<string, unknown> = {};
    while (reader.nextField() && !reader.isEndGroup()) {
      const bytes = reader.readBytes();
      readEntry(Reader.create(bytes), bytes.length, fields);
    }
    message.toJavaScript = () => fields;
    return message;
  };
}

/** An entry of a struct: its key (1) and its value (2). */
function readEntry(reader: Reader, end: number, fields: Record<string, unknown>): void {
  let key = "";
  let value: unknown = null;
  while (reader.pos < end) {
    if (reader.uint32() >>> 3 === 1) key = reader.string();
    else value = readValue(reader, endOf(reader));
  }
  fields[key] = value;
}

/** A message of google.protobuf.Value: one of its fields. */
function readValue(reader: Reader, end: number): unknown {
  let value: unknown = null;
  while (reader.pos < end) {
    switch (reader.uint32() >>> 3) {
      case 1:
        reader.int32();
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
        value = readStruct(reader, endOf(reader));
        break;
      default:
        value = readList(reader, endOf(reader));
    }
  }
  return value;
}

function readStruct(reader: Reader, end: number): object {
  const fields: Record<string, unknown> = {};
  while (reader.pos < end) {
    reader.uint32();
    readEntry(reader, endOf(reader), fields);
  }
  return fields;
}

function readList(reader: Reader, end: number): unknown[] {
  const list: unknown[] = [];
  while (reader.pos < end) {
    reader.uint32();
    list.push(readValue(reader, endOf(reader)));
  }
  return list;
}

/** Where the message ends that begins here with its length. */
function endOf(reader: Reader): number {
  const length = reader.uint32();
  return reader.pos + length;
}
