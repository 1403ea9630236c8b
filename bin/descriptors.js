// The .proto files as descriptors, for gRPC server reflection: protobufjs keeps none in the code that it generates.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import protobuf from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor.js'

const { FileDescriptorProto } = descriptor
/** google.protobuf.FieldDescriptorProto.Type */
const scalars = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
}
const [typeMessage, typeEnum] = [11, 14]
const [optional, repeated] = [1, 3]

/**
 * @param folder the root of the files' imports
 * @param names of files in it
 * @returns by file name: the descriptor in base64, the files that it imports, and the symbols that it defines
 */
export function describeProtos(folder, names) {
  const root = new protobuf.Root()
  const facts = new Map()
  for (const name of names) parseInto(root, folder, name, facts)
  root.resolveAll()
  return Object.fromEntries(
    [...facts].map(([name, { pkg, imports, members }]) => {
      const space = pkg === '' ? root : root.lookup(pkg)
      const found = members.map((member) => space.get(member))
      const file = fileOf(name, pkg, imports, found)
      const bytes = FileDescriptorProto.encode(FileDescriptorProto.create(file)).finish()
      const symbols = found.flatMap(symbolsOf)
      return [name, { bytes: Buffer.from(bytes).toString('base64'), imports, symbols }]
    }),
  )
}

/** Adds a file and its imports; protobufjs has the well-known ones. */
function parseInto(root, folder, name, facts) {
  if (facts.has(name)) return
  const common = protobuf.common.get(name)
  if (common) {
    const nested = common.nested.google.nested.protobuf.nested
    facts.set(name, { pkg: 'google.protobuf', imports: [], members: Object.keys(nested) })
    root.addJSON(common.nested)
    return
  }
  const text = readFileSync(join(folder, name), 'utf8')
  const { package: pkg = '', imports = [] } = protobuf.parse(text, new protobuf.Root(), { keepCase: true })
  const own = new protobuf.Root()
  protobuf.parse(text, own, { keepCase: true })
  facts.set(name, { pkg, imports, members: own.lookup(pkg).nestedArray.map((each) => each.name) })
  protobuf.parse(text, root, { keepCase: true })
  for (const each of imports) parseInto(root, folder, each, facts)
}

function fileOf(name, pkg, imports, found) {
  return {
    name,
    package: pkg,
    dependency: imports,
    messageType: found.filter((each) => each instanceof protobuf.Type).map(messageOf),
    enumType: found.filter((each) => each instanceof protobuf.Enum).map(enumOf),
    service: found.filter((each) => each instanceof protobuf.Service).map(serviceOf),
    syntax: 'proto3',
  }
}

function messageOf(type) {
  const oneofs = type.oneofsArray
  const maps = type.fieldsArray.filter((field) => field instanceof protobuf.MapField)
  return {
    name: type.name,
    field: type.fieldsArray.map((field) => ({
      ...fieldOf(field),
      ...(field.partOf ? { oneofIndex: oneofs.indexOf(field.partOf) } : {}),
    })),
    oneofDecl: oneofs.map(({ name }) => ({ name })),
    nestedType: [
      ...type.nestedArray.filter((each) => each instanceof protobuf.Type).map(messageOf),
      ...maps.map(entryOf),
    ],
    enumType: type.nestedArray.filter((each) => each instanceof protobuf.Enum).map(enumOf),
  }
}

function fieldOf(field) {
  const { name, id } = field
  if (field instanceof protobuf.MapField)
    return {
      name,
      jsonName: jsonName(field),
      number: id,
      label: repeated,
      type: typeMessage,
      typeName: `${field.parent.fullName}.${entryName(field)}`,
    }
  const label = field.repeated ? repeated : optional
  return { name, jsonName: jsonName(field), number: id, label, ...typeOf(field.type, field.resolvedType) }
}

/** The field's JSON name: protoc sets it on every field, and tools expect it. */
function jsonName({ name }) {
  return name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase())
}

function typeOf(type, resolved) {
  if (!resolved) return { type: scalars[type] }
  return { type: resolved instanceof protobuf.Enum ? typeEnum : typeMessage, typeName: resolved.fullName }
}

/** A map is a repeated message of key and value. */
function entryOf(field) {
  return {
    name: entryName(field),
    field: [
      { name: 'key', number: 1, label: optional, ...typeOf(field.keyType) },
      { name: 'value', number: 2, label: optional, ...typeOf(field.type, field.resolvedType) },
    ],
    options: { mapEntry: true },
  }
}

function entryName({ name }) {
  return `${name.replace(/(?:^|_)([a-z])/g, (_, letter) => letter.toUpperCase())}Entry`
}

function enumOf({ name, values }) {
  return { name, value: Object.entries(values).map(([each, number]) => ({ name: each, number })) }
}

function serviceOf(service) {
  return {
    name: service.name,
    method: service.methodsArray.map((method) => ({
      name: method.name,
      inputType: method.resolvedRequestType.fullName,
      outputType: method.resolvedResponseType.fullName,
      clientStreaming: Boolean(method.requestStream),
      serverStreaming: Boolean(method.responseStream),
    })),
  }
}

/** Full names of everything that can be looked up. */
function symbolsOf(object) {
  const own = object.fullName.slice(1)
  if (object instanceof protobuf.Service) return [own, ...object.methodsArray.map(({ name }) => `${own}.${name}`)]
  return [own, ...(object.nestedArray ?? []).flatMap(symbolsOf)]
}
