"""message: Kafka messages as dicts, in any version, by the field tables of src/wire/schema.

    request = message.encode("list_offsets", 10, {"topics": [{"name": "t", ...}]})
    response = message.decode("list_offsets", 10, answer_bytes)

Names are the tables' in lower case with underscores. A field that is not given has its default;
one that the version does not have is left out. Bytes of records stay bytes.
"""
import os, struct, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import wiregen      # noqa: E402

CODES = {"bool": "?", "int8": "b", "int16": "h", "uint16": "H", "int32": "i", "int64": "q", "float64": "d"}
_tables = {}

def table(name):
    """The request and the response called NAME."""
    if name not in _tables:
        path = os.path.join(ROOT, "src", "wire", "schema", name + ".wire")
        _tables[name] = {m.kind: m for m in wiregen.schema_read(path)}
    return _tables[name]

def within(versions, version):
    return versions[0] <= version <= versions[1]

def key(name):
    return table(name)["request"].key

def version_last(name):
    return table(name)["request"].versions[1]

def is_flexible(name, version):
    return within(table(name)["request"].flexible, version)

def uvarint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))

def default(field):
    if field.default == "null":
        return None
    if field.array:
        return []
    if field.base in ("string",):
        return field.default or ""
    if field.base in ("bytes", "records"):
        return b""
    if field.base == "uuid":
        return bytes(16)
    if field.base == "bool":
        return field.default == "true"
    if field.base in CODES:
        return int(field.default, 0) if field.default else 0
    return {}

def is_nullable_struct(field, version):
    """A byte in front says whether it is there."""
    return field.struct is not None and not field.array and within(field.nullable, version)

def size_encode(size, flexible, code):
    if flexible:
        return uvarint(0 if size is None else size + 1)
    return struct.pack(">" + code, -1 if size is None else size)

def value_encode(field, value, version, flexible):
    if field.struct:
        return struct_encode(field.struct, value, version, flexible)
    if field.base in CODES:
        return struct.pack(">" + CODES[field.base], value)
    if field.base == "uuid":
        return value
    code = "h" if field.base == "string" else "i"
    if value is None:
        return size_encode(None, flexible, code)
    value = value.encode() if isinstance(value, str) else value
    return size_encode(len(value), flexible, code) + value

def field_encode(field, value, version, flexible):
    if is_nullable_struct(field, version):
        return b"\xff" if value is None else b"\1" + value_encode(field, value, version, flexible)
    if not field.array:
        return value_encode(field, value, version, flexible)
    if value is None:
        return size_encode(None, flexible, "i")
    return size_encode(len(value), flexible, "i") + b"".join(
        value_encode(field, item, version, flexible) for item in value)

def struct_encode(table_of, values, version, flexible):
    unknown = set(values) - {field.name for field in table_of.fields}
    assert not unknown, f"{table_of.name} has no {unknown}"
    out, tags = b"", []
    for field in table_of.fields:
        if not within(field.versions, version):
            continue
        value = values.get(field.name, default(field))
        if field.tag is None:
            out += field_encode(field, value, version, flexible)
        elif field.name in values:
            tags.append((field.tag, field_encode(field, value, version, flexible)))
    if flexible:
        out += uvarint(len(tags))
        for tag, data in sorted(tags):
            out += uvarint(tag) + uvarint(len(data)) + data
    return out

class Bytes:
    def __init__(self, data):
        self.data, self.pos = data, 0

    def take(self, size):
        assert size >= 0 and self.pos + size <= len(self.data), f"ends at {len(self.data)}"
        self.pos += size
        return self.data[self.pos - size:self.pos]

    def number(self, code):
        return struct.unpack(">" + code, self.take(struct.calcsize(">" + code)))[0]

    def uvarint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def size(self, flexible, code):
        return self.uvarint() - 1 if flexible else self.number(code)

def value_decode(field, data, version, flexible):
    if field.struct:
        return struct_decode(field.struct, data, version, flexible)
    if field.base in CODES:
        return data.number(CODES[field.base])
    if field.base == "uuid":
        return data.take(16)
    size = data.size(flexible, "h" if field.base == "string" else "i")
    if size < 0:
        return None
    return data.take(size).decode() if field.base == "string" else data.take(size)

def field_decode(field, data, version, flexible):
    if is_nullable_struct(field, version) and data.number("b") < 0:
        return None
    if not field.array:
        return value_decode(field, data, version, flexible)
    count = data.size(flexible, "i")
    return None if count < 0 else [value_decode(field, data, version, flexible) for _ in range(count)]

def struct_decode(table_of, data, version, flexible):
    out, tagged = {}, {}
    for field in table_of.fields:
        if within(field.versions, version):
            if field.tag is None:
                out[field.name] = field_decode(field, data, version, flexible)
            else:
                tagged[field.tag] = field
    for _ in range(data.uvarint() if flexible else 0):
        tag, size = data.uvarint(), data.uvarint()
        inner = Bytes(data.take(size))
        if tag in tagged:
            out[tagged[tag].name] = field_decode(tagged[tag], inner, version, flexible)
    return out

def encode(name, version, values, correlation_id=1, client_id="message"):
    """A whole request without its frame size."""
    flexible = is_flexible(name, version)
    client = client_id.encode()
    header = struct.pack(">hhih", key(name), version, correlation_id, len(client)) + client
    return header + (b"\0" if flexible else b"") + struct_encode(
        table(name)["request"].root, values, version, flexible)

def decode(name, version, answer):
    """The response in ANSWER, which begins with the correlation id."""
    flexible = is_flexible(name, version)
    data = Bytes(answer)
    data.take(4)
    if flexible and name != "api_versions":
        assert data.uvarint() == 0, "tags in the header"
    out = struct_decode(table(name)["response"].root, data, version, flexible)
    assert data.pos == len(answer), f"{len(answer) - data.pos} bytes after the response"
    return out
