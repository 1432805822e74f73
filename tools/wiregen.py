#!/usr/bin/env python3
"""wiregen: write C codecs from the schema tables in src/wire/schema (docs/wire.md has their form).

    tools/wiregen.py codecs OUTDIR SCHEMA...   <name>.h and <name>.c per schema, and api_list.h
    tools/wiregen.py visits OUTDIR SCHEMA...   messages.c: a table of all messages with functions
                                               that fill and check them, for tests
"""
import os, re, sys

NONE = (1, 0)                   # an empty range of versions
SCALARS = {                     # scalar: C type, reader and writer suffix, size on the wire
    "bool": ("bool", None, 1), "int8": ("int8_t", "i8", 1), "int16": ("int16_t", "i16", 2),
    "uint16": ("uint16_t", "u16", 2), "int32": ("int32_t", "i32", 4), "int64": ("int64_t", "i64", 8),
    "float64": ("double", "f64", 8), "uuid": ("struct uuid", "uuid", 16),
}
SLICES = ("string", "bytes")
KINDS = {"request": "request", "response": "response", "metadata": "", "data": "", "key": "",
         "value": ""}
LISTENERS = {"broker": "WIRE_ON_BROKER", "controller": "WIRE_ON_CONTROLLER"}


def snake(name):
    name = name.replace("KRaft", "Kraft")
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()


def versions_parse(text, last):
    if text == "none":
        return NONE
    m = re.fullmatch(r"(\d+)(?:(\+)|-(\d+))?", text)
    if not m:
        raise ValueError(f"not a range of versions: {text}")
    low = int(m[1])
    return (low, last if m[2] else int(m[3]) if m[3] else low)


def versions_common(a, b):
    return (max(a[0], b[0]), min(a[1], b[1]))


def versions_hull(a, b):
    return b if versions_none(a) else (min(a[0], b[0]), max(a[1], b[1]))


def versions_none(r):
    return r[0] > r[1]


class Struct:
    def __init__(self, name):
        self.name, self.fields, self.c = name, [], None
        self.versions, self.flexible = NONE, NONE   # where it occurs


class Field:
    def __init__(self, name, base, array, versions):
        self.name, self.base, self.array, self.versions = snake(name), base, array, versions
        self.nullable, self.tag, self.default, self.struct = NONE, None, None, None

    def pointer(self):
        """A lone struct that may be null is held by pointer."""
        return self.struct is not None and not self.array and not versions_none(self.nullable)

    def null_default(self):
        return self.default == "null"


class Message:
    def __init__(self, kind, name):
        self.kind, self.name, self.key = kind, name, None
        self.versions, self.flexible, self.advertised = NONE, NONE, None
        self.listeners, self.structs, self.root = [], [], None


FIELD = re.compile(r"(\w+) (\[\])?(\w+)(?:(\?)([\d+-]+)?)?(?: (\d[\d+-]*))?(?: tag (\d+))?"
                   r"(?: = (.*))?$")


def header_parse(line):
    words = line.split()
    m = Message(words[0], words[1])
    options = dict(zip(words[2::2], words[3::2]))
    if m.kind not in KINDS or len(words) % 2:
        raise ValueError("not the first line of a message")
    m.versions = versions_parse(options.pop("versions"), 1 << 14)
    m.flexible = versions_common(versions_parse(options.pop("flexible"), m.versions[1]), m.versions)
    m.key = int(options.pop("key")) if "key" in options else None
    m.advertised = versions_parse(options.pop("advertised", f"{m.versions[0]}-{m.versions[1]}"), 0)
    m.listeners = options.pop("listeners", "").split(",")
    if options:
        raise ValueError(f"unknown: {' '.join(options)}")
    return m


def field_parse(text, m):
    f = FIELD.fullmatch(text)
    if not f:
        raise ValueError("not a field")
    name, array, base, null, null_versions, versions, tag, default = f.groups()
    versions = versions_parse(versions, m.versions[1]) if versions else m.versions
    field = Field(name, base, bool(array), versions_common(versions, m.versions))
    if versions_none(field.versions):
        raise ValueError("in no version")
    if null:
        given = versions_parse(null_versions, m.versions[1]) if null_versions else field.versions
        field.nullable = versions_common(given, field.versions)
    field.tag = int(tag) if tag else None
    field.default = default
    return field


def structs_link(m, named):
    """Give every field its struct; order structs so that each comes after those it holds."""
    done = []

    def visit(s, above):
        if s in above:
            raise ValueError(f"{s.name} holds itself")
        for f in s.fields:
            if f.base not in SCALARS and f.base not in SLICES + ("records",) and not f.struct:
                f.struct = named[f.base]
            if f.struct:
                visit(f.struct, above + [s])
        if s not in done:
            done.append(s)

    visit(m.root, [])
    names = [s.name for s in done]
    if len(set(names)) != len(names):
        raise ValueError(f"{m.name} has two structs of one name: {names}")
    base = "wire_" + snake(m.name) + ("_" + KINDS[m.kind] if KINDS[m.kind] else "")
    for s in done:
        s.c = base if s is m.root else base + "_" + snake(s.name)
    m.structs, m.c = done, base
    m.root.versions = m.versions
    for s in reversed(done):
        s.flexible = versions_common(m.flexible, s.versions)
        for f in s.fields:
            f.versions = versions_common(f.versions, s.versions)
            f.nullable = versions_common(f.nullable, s.versions)
            if versions_none(f.versions):
                raise ValueError(f"{s.name}.{f.name} is in no version")
            if f.struct:
                f.struct.versions = versions_hull(f.struct.versions, f.versions)


def schema_read(path):
    messages, stack, named, m = [], [], {}, None
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        text = line.split("#")[0].rstrip()
        if not text:
            continue
        try:
            depth = (len(text) - len(text.lstrip())) // 2
            text = text.strip()
            if depth == 0:
                if m:
                    structs_link(m, named)
                m, named = header_parse(text), {}
                m.root = Struct(m.name)
                stack = [m.root]
                messages.append(m)
            elif text.startswith("struct "):
                s = named[text.split()[1]] = Struct(text.split()[1])
                stack = stack[:depth] + [s]
            else:
                f = field_parse(text, m)
                if depth > len(stack):      # the first child of the field above
                    parent = stack[-1].fields[-1]
                    parent.struct = Struct(parent.base)
                    stack.append(parent.struct)
                stack = stack[:depth]
                stack[-1].fields.append(f)
        except (ValueError, KeyError, IndexError) as e:
            sys.exit(f"{path}:{number}: {e!r}")
    structs_link(m, named)
    return messages


# Sizes

def field_size_min(f, flexible):
    if f.array:
        return 1 if flexible else 4
    if f.base in SCALARS:
        return SCALARS[f.base][2]
    if f.base == "string":
        return 1 if flexible else 2
    if f.struct is None:
        return 1 if flexible else 4
    return 1 if f.pointer() else struct_size_min(f.struct, flexible)


def struct_size_min(s, flexible):
    """The fewest bytes an element can take in any version that is, or is not, flexible."""
    sizes = []
    for v in range(s.versions[0], s.versions[1] + 1):
        if (s.flexible[0] <= v <= s.flexible[1]) != flexible:
            continue
        size = 1 if flexible else 0
        for f in s.fields:
            if f.versions[0] <= v <= f.versions[1] and f.tag is None:
                size += field_size_min(f, flexible)
        sizes.append(size)
    return max(1, min(sizes, default=1))


def element_size_min(f, flexible):
    if f.struct:
        return struct_size_min(f.struct, flexible)
    one = Field("x", f.base, False, f.versions)
    return field_size_min(one, flexible)


# C text

def flexible_expression(s, f):
    """C for "the version is flexible", where field f of struct s occurs."""
    if versions_none(s.flexible) or f.versions[1] < s.flexible[0]:
        return "false"
    return "true" if f.versions[0] >= s.flexible[0] else f"version >= {s.flexible[0]}"


def size_min_expression(s, f):
    """C for the fewest bytes an element of array f can take."""
    flexible, yes, no = flexible_expression(s, f), element_size_min(f, True), \
        element_size_min(f, False)
    if flexible == "true" or yes == no:
        return str(yes)
    return str(no) if flexible == "false" else f"{flexible} ? {yes} : {no}"


def within(r, outer):
    """C for "version is in r", knowing that it is in outer; None when always true."""
    if r[0] <= outer[0] and r[1] >= outer[1]:
        return None
    if r[0] == r[1]:
        return f"version == {r[0]}"
    if r[0] <= outer[0]:
        return f"version <= {r[1]}"
    if r[1] >= outer[1]:
        return f"version >= {r[0]}"
    return f"version >= {r[0]} && version <= {r[1]}"


def null_expression(f):
    if versions_none(f.nullable):
        return "false"
    return within(f.nullable, f.versions) or "true"


def element_type(f):
    if f.struct:
        return "struct " + f.struct.c
    return SCALARS[f.base][0] if f.base in SCALARS else "struct slice"


def default_number(f):
    value = f.default if f.default not in (None, "") else "0"
    if f.base == "bool":
        return value if value != "0" else "false"
    number = int(value, 0)
    if number == -(1 << 31):
        return "INT32_MIN"
    if number == (1 << 63) - 1:
        return "INT64_MAX"
    return hex(number) if value.startswith("0x") else str(number)


def range_text(f, m):
    low, high = f.versions
    if (low, high) == m.versions:
        return ""
    return f"v{low}+" if high == m.versions[1] else f"v{low}" if low == high else f"v{low}-{high}"


def struct_text(s, m):
    out = [f"struct {s.c} {{"]
    for f in s.fields:
        note = [range_text(f, m)]
        if f.tag is not None:
            note.append(f"tag {f.tag}")
        if not versions_none(f.nullable):
            null = "count -1" if f.array else "size -1" if f.base == "records" else "NULL"
            note.append(f"{null} is null")
        note = ", ".join(n for n in note if n)
        note = f" /* {note} */" if note else ""
        if f.array:
            const = "" if f.struct else "const "
            out.append(f"    {const}{element_type(f)} *{f.name};{note}")
            out.append(f"    int32_t {f.name}_count;")
        elif f.base == "records":
            out.append(f"    struct wire_records {f.name};{note}")
        elif f.pointer():
            out.append(f"    struct {f.struct.c} *{f.name};{note}")
        else:
            out.append(f"    {element_type(f)} {f.name};{note}")
    if not s.fields:
        out.append("    char no_fields;")
    return out + ["};", ""]


def signature(head, arguments):
    one = f"{head}({', '.join(arguments)})"
    if len(one) <= 99:
        return one
    lines, line = [], head + "("
    for i, a in enumerate(arguments):
        a += ")" if i == len(arguments) - 1 else ","
        if len(line) + len(a) > 97:
            lines.append(line.rstrip())
            line = " " * 8
        line += a + " "
    return "\n".join(lines + [line.rstrip()])


def header_text(schema, messages):
    out = ["#pragma once", "", f"/* From src/wire/schema/{schema}.wire by tools/wiregen.py. */", "",
           "#include <stdbool.h>", "#include <stdint.h>", "", '#include "base/arena.h"',
           '#include "base/err.h"', '#include "base/reader.h"', '#include "base/slice.h"',
           '#include "base/uuid.h"', '#include "base/writer.h"', '#include "wire/types.h"', ""]
    for m in messages:
        upper = m.c.upper()
        out += ["enum {"]
        out += [f"    {upper}_VERSION_MIN = {m.versions[0]},",
                f"    {upper}_VERSION_MAX = {m.versions[1]},"]
        if m.key is not None:
            out += [f"    {upper.removesuffix('_REQUEST')}_KEY = {m.key},"]
        out += ["};", ""]
        for s in m.structs:
            out += struct_text(s, m)
        for s in m.structs:
            out.append(signature(f"void {s.c}_init", [f"struct {s.c} *m"]) + ";")
        out.append("NODISCARD " + signature(f"enum err {m.c}_decode", [
            "struct reader *r", "int16_t version", "struct arena *a",
            f"struct {m.c} *message_out"]) + ";")
        out.append(signature(f"void {m.c}_encode", [
            "struct writer *w", "int16_t version", f"const struct {m.c} *m"]) + ";")
        out.append("")
    return "\n".join(out[:-1]) + "\n"


def init_text(s):
    out = [signature(f"void {s.c}_init", [f"struct {s.c} *m"]), "{",
           f"    *m = (struct {s.c}){{0}};"]
    for f in s.fields:
        if f.array:
            if f.null_default():
                out.append(f"    m->{f.name}_count = -1;")
        elif f.base in SLICES:
            if not f.null_default():
                out.append(f'    m->{f.name} = slice_of("", 0);')
        elif f.base == "records":
            if f.null_default():
                out.append(f"    m->{f.name}.size = -1;")
        elif f.struct:
            if not f.pointer():
                out.append(f"    {f.struct.c}_init(&m->{f.name});")
        elif f.base != "uuid" and default_number(f) not in ("0", "false"):
            out.append(f"    m->{f.name} = {default_number(f)};")
    return out + ["}", ""]


def read_one(f, to, s, reader):
    """C that reads one value, not an array, into `to`."""
    flexible = flexible_expression(s, f)
    if f.struct:
        return [f"read_{f.struct.c[5:]}({reader}, version, a, &{to});"]
    if f.base == "bool":
        return [f"{to} = reader_i8({reader}) != 0;"]
    if f.base in SCALARS:
        return [f"{to} = reader_{SCALARS[f.base][1]}({reader});"]
    null = "false" if f.array else null_expression(f)
    return [f"{to} = wire_read_{f.base}({reader}, {flexible}, {null});"]


def indent(lines, by=1):
    return ["    " * by + line if line else line for line in lines]


def read_field(f, s, reader):
    to = f"m->{f.name}"
    if f.array:
        error = f"{reader[1:]}.err" if reader.startswith("&") else f"{reader}->err"
        out = ["{"]
        body = [f"int32_t count = wire_read_count({reader}, {flexible_expression(s, f)}, "
                f"{null_expression(f)}, {size_min_expression(s, f)});",
                f"{element_type(f)} *items = wire_read_items({reader}, a, count, sizeof(*items));",
                "",
                f"for (int32_t i = 0; i < count && {error} == E_OK; i++)"]
        body += indent(read_one(f, "items[i]", s, reader))
        body += [f"{to} = items;", f"{to}_count = count;"]
        return out + indent(body) + ["}"]
    if f.pointer():
        return [f"{to} = wire_read_present({reader}) ? "
                f"wire_read_items({reader}, a, 1, sizeof(*{to})) : NULL;",
                f"if ({to} != NULL)",
                f"    read_{f.struct.c[5:]}({reader}, version, a, {to});"]
    return read_one(f, to, s, reader)


def guarded(condition, lines):
    if condition is None:
        return lines
    if lines[0] == "{":
        return [f"if ({condition}) {{"] + lines[1:]
    if len(lines) == 1:
        return [f"if ({condition})"] + indent(lines)
    return [f"if ({condition}) {{"] + indent(lines) + ["}"]


def read_tags(s):
    tagged = sorted((f for f in s.fields if f.tag is not None), key=lambda f: f.tag)
    if versions_none(s.flexible):
        return []
    if not tagged:
        return guarded(within(s.flexible, s.versions), ["wire_skip_tags(r);"])
    body = ["uint32_t tags = wire_read_tag_count(r);", "",
            "for (uint32_t k = 0; k < tags && r->err == E_OK; k++) {",
            "    uint32_t tag;", "    struct reader t = wire_read_tag(r, &tag);", "",
            "    switch (tag) {"]
    for f in tagged:
        body.append(f"    case {f.tag}:" + (" {" if f.array else ""))
        unknown = within(f.versions, s.flexible)
        if unknown:
            body += [f"        if (!({unknown}))", "            continue;"]
        lines = read_field(f, s, "&t")
        body += indent(lines[1:-1] if f.array else lines, 1 if f.array else 2)
        body += ["        break;"] + (["    }"] if f.array else [])
    body += ["    default:", "        continue;", "    }", "    wire_read_tag_end(r, &t);", "}"]
    return guarded(within(s.flexible, s.versions), ["{"] + indent(body) + ["}"])


def read_text(s):
    out = ["static " + signature(f"void read_{s.c[5:]}", [
        "struct reader *r", "int16_t version", "struct arena *a", f"struct {s.c} *m"]), "{",
        f"    {s.c}_init(m);"]
    for f in s.fields:
        if f.tag is None:
            out += indent(guarded(within(f.versions, s.versions), read_field(f, s, "r")))
    return out + indent(read_tags(s)) + ["}", ""]


def write_one(f, of, s):
    if f.struct:
        return [f"write_{f.struct.c[5:]}(w, version, &{of});"]
    if f.base == "bool":
        return [f"writer_i8(w, {of});"]
    if f.name == "error_code" and f.base == "int16":    # for whoever counts what was answered
        return [f"wire_write_error_code(w, {of});"]
    if f.base in SCALARS:
        return [f"writer_{SCALARS[f.base][1]}(w, {of});"]
    null = "false" if f.array else null_expression(f)
    amp = "&" if f.base == "records" else ""
    return [f"wire_write_{f.base}(w, {flexible_expression(s, f)}, {null}, {amp}{of});"]


def write_field(f, s):
    of = f"m->{f.name}"
    if f.array:
        out = [f"wire_write_count(w, {flexible_expression(s, f)}, {null_expression(f)}, {of}_count);",
               f"for (int32_t i = 0; i < {of}_count; i++)"]
        return out + indent(write_one(f, f"{of}[i]", s))
    if f.pointer():
        return [f"writer_i8(w, {of} == NULL ? -1 : 1);", f"if ({of} != NULL)",
                f"    write_{f.struct.c[5:]}(w, version, {of});"]
    return write_one(f, of, s)


def differs(f, of):
    """C for "is not the default", of a tagged field or a field of a tagged struct."""
    if f.array:
        return f"{of}_count >= 0" if f.null_default() else f"{of}_count != 0"
    if f.pointer():
        return f"{of} != NULL"
    if f.struct:
        return f"!is_default_{f.struct.c[5:]}(&{of})"
    if f.base == "records":
        return f"{of}.size >= 0" if f.null_default() else f"{of}.size != 0"
    if f.base in SLICES:
        if f.null_default():
            return f"{of}.at != NULL"
        return f"{of}.size != 0" if versions_none(f.nullable) else \
            f"({of}.at == NULL || {of}.size != 0)"
    if f.base == "uuid":
        return f"!uuid_is_zero({of})"
    if f.base == "bool":
        return f"!{of}" if default_number(f) == "true" else of
    return f"{of} != {default_number(f)}"


def default_structs(m):
    """Structs whose being default decides whether a tagged field is written."""
    wanted = []

    def want(s):
        if s not in wanted:
            for f in s.fields:
                if f.struct and not f.array and not f.pointer():
                    want(f.struct)
            wanted.append(s)

    for s in m.structs:
        for f in s.fields:
            if f.tag is not None and f.struct and not f.array and not f.pointer():
                want(f.struct)
    return wanted


def default_text(s):
    tests = [differs(f, f"m->{f.name}") for f in s.fields]
    return ["static " + signature(f"bool is_default_{s.c[5:]}", [f"const struct {s.c} *m"]), "{",
            "    return !(" + " ||\n             ".join(tests) + ");", "}", ""]


def write_tags(s):
    tagged = sorted((f for f in s.fields if f.tag is not None), key=lambda f: f.tag)
    if versions_none(s.flexible):
        return []
    if not tagged:
        return guarded(within(s.flexible, s.versions), ["writer_uvarint(w, 0);"])
    test = {}
    for f in tagged:
        condition = within(f.versions, s.flexible)
        test[f] = differs(f, f"m->{f.name}")
        if condition:
            test[f] = f"{condition} && {test[f]}"
    body = ["uint32_t tags = 0;", ""]
    for f in tagged:
        body += [f"if ({test[f]})", "    tags++;"]
    body.append("writer_uvarint(w, tags);")
    for f in tagged:
        lines = ["size_t pos = w->buf->size;", ""] + write_field(f, s)
        body += [f"if ({test[f]}) {{"] + indent(lines + [f"wire_write_tag(w, {f.tag}, pos);"]) + ["}"]
    return guarded(within(s.flexible, s.versions), ["{"] + indent(body) + ["}"])


def write_text(s):
    out = ["static " + signature(f"void write_{s.c[5:]}", [
        "struct writer *w", "int16_t version", f"const struct {s.c} *m"]), "{"]
    for f in s.fields:
        if f.tag is None:
            out += indent(guarded(within(f.versions, s.versions), write_field(f, s)))
    return out + indent(write_tags(s)) + ["}", ""]


def array_depth(s):
    return max([0] + [(1 if f.array else 0) + (array_depth(f.struct) if f.struct else 0)
                      for f in s.fields])


def growth_text(m):
    """Bound what a decoded array takes in memory for each byte of input."""
    out = [f"_Static_assert({array_depth(m.root)} <= WIRE_DEPTH_MAX, \"{m.name}\");"]
    for s in m.structs:
        for f in s.fields:
            if f.array or f.pointer():
                flexible = flexible_expression(s, f)
                size = min(element_size_min(f, x) for x in (True, False)
                           if flexible != ("false" if x else "true"))
                line = (f"_Static_assert(sizeof({element_type(f)}) <= {size} * WIRE_GROWTH_MAX,\n"
                        f"               \"{f.base}\");")
                if line not in out:
                    out.append(line)
    return out + [""]


def entry_text(m):
    low, high = m.versions
    test = f"version < {low} || version > {high}"
    return [
        signature(f"enum err {m.c}_decode", ["struct reader *r", "int16_t version",
                                             "struct arena *a", f"struct {m.c} *message_out"]),
        "{", f"    struct {m.c} m;", "", f"    if ({test})", "        return E_UNSUPPORTED;",
        f"    read_{m.c[5:]}(r, version, a, &m);", "    if (r->err == E_OK)",
        "        *message_out = m;", "    return r->err;", "}", "",
        signature(f"void {m.c}_encode", ["struct writer *w", "int16_t version",
                                         f"const struct {m.c} *m"]),
        "{", f"    if ({test})", "        writer_fail(w, E_UNSUPPORTED);", "    else",
        f"        write_{m.c[5:]}(w, version, m);", "}", ""]


def source_text(schema, messages):
    out = [f"/* From src/wire/schema/{schema}.wire by tools/wiregen.py. */", "",
           f'#include "wire/{schema}.h"', "", '#include "wire/codec_priv.h"', ""]
    for m in messages:
        out += growth_text(m)
        for s in m.structs:
            out += init_text(s)
        for s in default_structs(m):
            out += default_text(s)
        for s in m.structs:
            out += read_text(s)
        for s in m.structs:
            out += write_text(s)
        out += entry_text(m)
    return "\n".join(out[:-1]) + "\n"


def api_list_text(schemas):
    requests, records = [], []
    for _, messages in schemas:
        for m in messages:
            if m.kind == "request":
                requests.append(m)
            elif m.kind == "metadata":
                records.append(m)
    out = ["#pragma once", "", "/* From src/wire/schema by tools/wiregen.py. */", "",
           "/* X(NAME, name, key, version_min, version_max, flexible_from (-1: never), ",
           " *   advertised_min, advertised_max, listeners) */", "#define WIRE_API_MAP(X) \\"]
    for m in sorted(requests, key=lambda m: m.key):
        flexible = -1 if versions_none(m.flexible) else m.flexible[0]
        on = " | ".join(LISTENERS[x] for x in m.listeners)
        out.append(f'    X({snake(m.name).upper()}, "{m.name}", {m.key}, {m.versions[0]}, '
                   f"{m.versions[1]}, {flexible}, {m.advertised[0]}, {m.advertised[1]}, {on}) \\")
    out[-1] = out[-1][:-2]
    out += ["", "/* X(NAME, name, key, version_min, version_max) */",
            "#define WIRE_METADATA_RECORD_MAP(X) \\"]
    for m in sorted(records, key=lambda m: m.key):
        out.append(f'    X({snake(m.name).upper()}, "{m.name}", {m.key}, {m.versions[0]}, '
                   f"{m.versions[1]}) \\")
    out[-1] = out[-1][:-2]
    return "\n".join(out) + "\n"


# For tests: fill and check every field

def visit_one(f, of, s):
    null = "false" if f.array else null_expression(f)
    if f.struct:
        return [f"visit_{f.struct.c[5:]}(v, version, &{of});"]
    if f.base in SCALARS:
        return [f"visit_{SCALARS[f.base][1] or 'bool'}(v, &{of});"]
    return [f"visit_{'records' if f.base == 'records' else 'slice'}(v, {null}, &{of});"]


def visit_field(f, s):
    of = f"m->{f.name}"
    init = ["if (v->fill)", f"    {f.struct.c}_init(&items[i]);"] if f.struct else []
    if f.array:
        body = [f"{element_type(f)} *items = visit_items(v, {null_expression(f)}, {of}, "
                f"&{of}_count, sizeof(*items));", "",
                f"for (int32_t i = 0; i < {of}_count && !v->wrong; i++) {{"]
        body += indent(init + visit_one(f, "items[i]", s))
        body += ["}", f"{of} = items;"]
        return ["{"] + indent(body) + ["}"]
    if f.pointer():
        return ["{", f"    struct {f.struct.c} *one = visit_pointer(v, {of}, sizeof(*one));", "",
                f"    {of} = one;", f"    if ({of} != NULL && v->fill)",
                f"        {f.struct.c}_init({of});", f"    if ({of} != NULL)",
                f"        visit_{f.struct.c[5:]}(v, version, {of});", "}"]
    return visit_one(f, of, s)


def visit_text(s):
    out = ["static " + signature(f"void visit_{s.c[5:]}", [
        "struct visit *v", "int16_t version", f"struct {s.c} *m"]), "{"]
    for f in s.fields:
        condition = within(f.versions, s.versions)
        if f.tag is not None:
            condition = (condition + " && " if condition else "") + "visit_tag(v)"
        out += indent(guarded(condition, visit_field(f, s)))
    return out + ["}", ""]


def visits_text(schemas):
    out = ["/* From src/wire/schema by tools/wiregen.py. */", "", '#include "messages.h"', "",
           '#include "visit.h"']
    out += [f'#include "wire/{schema}.h"' for schema, _ in schemas] + [""]
    table = []
    for _, messages in schemas:
        for m in messages:
            name = m.c[5:]
            for s in m.structs:
                out += visit_text(s)
            out += [f"static void do_init_{name}(void *m)", "{", f"    {m.c}_init(m);", "}", "",
                    f"static void do_visit_{name}(struct visit *v, int16_t version, void *m)", "{",
                    f"    visit_{name}(v, version, m);", "}", "",
                    signature(f"static enum err do_decode_{name}", [
                        "struct reader *r", "int16_t version", "struct arena *a", "void *m_out"]),
                    "{", f"    return {m.c}_decode(r, version, a, m_out);", "}", "",
                    signature(f"static void do_encode_{name}", [
                        "struct writer *w", "int16_t version", "const void *m"]),
                    "{", f"    {m.c}_encode(w, version, m);", "}", ""]
            suffix = m.kind.capitalize() if m.kind in ("request", "response") else ""
            table.append(f'    {{"{m.name}{suffix}", {m.versions[0]}, {m.versions[1]}, '
                         f"sizeof(struct {m.c}), do_init_{name},\n     do_visit_{name}, "
                         f"do_decode_{name}, do_encode_{name}}},")
    out += ["const struct message messages[] = {"] + table + ["};", "",
            "const size_t message_count = sizeof(messages) / sizeof(messages[0]);"]
    return "\n".join(out) + "\n"


def file_write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
        out.write(text)


def main(args):
    mode, folder, paths = args[0], args[1], args[2:]
    schemas = [(os.path.basename(p).removesuffix(".wire"), schema_read(p)) for p in paths]
    if mode == "codecs":
        for schema, messages in schemas:
            file_write(folder, schema + ".h", header_text(schema, messages))
            file_write(folder, schema + ".c", source_text(schema, messages))
        file_write(folder, "api_list.h", api_list_text(schemas))
    elif mode == "visits":
        file_write(folder, "messages.c", visits_text(schemas))
    else:
        sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
