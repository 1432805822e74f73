#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "net/loop.h"
#include "os/dir.h"
#include "os/os.h"
#include "quorum/quorum_priv.h"
#include "replica/manager.h"
#include "storage/log.h"

/*
 * meta.properties, as Kafka writes it since KIP-631, one in each log directory:
 *
 *     cluster.id=4L6g3nShT-eMCtK--X86sw
 *     directory.id=Yl4RPTGSTkq2RZLJjZqKhA
 *     node.id=1
 *     version=1
 */
static const char file_name[] = "meta.properties";

enum { FILE_SIZE_MAX = 64 * 1024, LONE_NODE_ID = 1 };

struct properties {
    struct slice cluster_id;
    struct slice directory_id;
    struct slice node_id;
    struct slice version;
};

static struct slice trim(struct slice s)
{
    while (s.size > 0 && (s.at[0] == ' ' || s.at[0] == '\t')) {
        s.at++;
        s.size--;
    }
    while (s.size > 0 && strchr(" \t\r", s.at[s.size - 1]) != NULL)
        s.size--;
    return s;
}

static void read_line(struct properties *p, struct slice line)
{
    const uint8_t *equals;
    struct slice name;
    struct slice value;

    line = trim(line);
    equals = line.size == 0 ? NULL : memchr(line.at, '=', line.size);
    if (equals == NULL || line.at[0] == '#')
        return;
    name = trim(slice_of(line.at, (size_t)(equals - line.at)));
    value = trim(slice_of(equals + 1, (size_t)(line.at + line.size - equals - 1)));
    if (slice_equal_text(name, "cluster.id"))
        p->cluster_id = value;
    else if (slice_equal_text(name, "directory.id"))
        p->directory_id = value;
    else if (slice_equal_text(name, "node.id"))
        p->node_id = value;
    else if (slice_equal_text(name, "version"))
        p->version = value;
}

static struct properties read_properties(struct slice text)
{
    struct properties p = {0};

    while (text.size > 0) {
        const uint8_t *end = memchr(text.at, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.at);

        read_line(&p, slice_of(text.at, size));
        size += end == NULL ? 0 : 1;
        text = slice_of(text.at + size, text.size - size);
    }
    return p;
}

/* A random id whose text does not start with a dash. */
static struct uuid new_id(struct os *os)
{
    enum { DASH = 62 };
    struct uuid id;

    do {
        os_random(os, id.bytes, sizeof(id.bytes));
        id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
        id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    } while (id.bytes[0] >> 2 == DASH);
    return id;
}

/* What one file says must be what is known so far. */
static enum err agree(struct quorum_identity *identity, const struct properties *p,
                      struct uuid *directory_id_out, struct report *report)
{
    int64_t node_id;

    if (!slice_equal_text(p->version, "1")) {
        report_set(report, "version is not 1: written by another program, or by a Kafka that "
                           "used ZooKeeper");
        return E_INVAL;
    }
    if (p->cluster_id.size == 0 || p->cluster_id.size >= QUORUM_CLUSTER_ID_SIZE_MAX ||
        parse_i64(p->node_id, &node_id) != E_OK || node_id < 0 || node_id > INT32_MAX) {
        report_set(report, "cluster.id or node.id is missing or invalid");
        return E_INVAL;
    }
    if (identity->cluster_id[0] == 0)
        slice_to_text(p->cluster_id, identity->cluster_id, sizeof(identity->cluster_id));
    if (!slice_equal_text(p->cluster_id, identity->cluster_id)) {
        report_set(report,
                   "cluster.id is %.*s, expected %s: the directory belongs to another "
                   "cluster",
                   (int)p->cluster_id.size, (const char *)p->cluster_id.at, identity->cluster_id);
        return E_INVAL;
    }
    if (identity->node_id == -1)
        identity->node_id = (int32_t)node_id;
    if (node_id != identity->node_id) {
        report_set(report, "node.id is %d, expected %d: the directory belongs to another node",
                   (int)node_id, (int)identity->node_id);
        return E_INVAL;
    }
    if (p->directory_id.at == NULL)
        return E_OK; /* as Kafkas before 3.7 left it */
    if (uuid_parse(p->directory_id, directory_id_out) != E_OK) {
        report_set(report, "directory.id is not an id");
        return E_INVAL;
    }
    return E_OK;
}

static enum err read_root(struct quorum_identity *identity, struct log_root *root,
                          struct uuid *directory_id_out, struct report *report)
{
    struct buf text;
    struct properties p;
    enum err e;

    buf_init(&text, FILE_SIZE_MAX);
    e = os_dir_read_file(log_root_dir(root), file_name, &text);
    if (e == E_OK) {
        p = read_properties(buf_slice(&text));
        e = agree(identity, &p, directory_id_out, report);
    } else if (e == E_NOT_FOUND) {
        e = E_OK;
    } else {
        report_set(report, "%s", err_text(e));
    }
    if (e != E_OK)
        report_prefix(report, "%s/%s", log_root_path(root), file_name);
    buf_release(&text);
    return e;
}

static enum err write_root(const struct quorum_identity *identity, struct log_root *root,
                           struct uuid directory_id, struct report *report)
{
    char id[UUID_TEXT_SIZE];
    struct buf text;
    enum err e;

    uuid_to_text(directory_id, id);
    buf_init(&text, FILE_SIZE_MAX);
    e = buf_printf(&text, "cluster.id=%s\ndirectory.id=%s\nnode.id=%d\nversion=1\n",
                   identity->cluster_id, id, (int)identity->node_id);
    if (e == E_OK)
        e = os_dir_replace_file(log_root_dir(root), file_name, buf_slice(&text));
    buf_release(&text);
    if (e != E_OK)
        report_set(report, "write %s/%s: %s", log_root_path(root), file_name, err_text(e));
    return e;
}

enum err quorum_identity_open(struct quorum_identity *identity,
                              const struct quorum_options *options, struct report *report)
{
    struct os *os = loop_os(options->loop);
    size_t count = replica_roots_count(options->roots);
    enum err e = E_OK;

    if (count == 0 || count > QUORUM_ROOTS_MAX ||
        options->cluster_id.size >= QUORUM_CLUSTER_ID_SIZE_MAX) {
        report_set(report, "no or more than %d log directories, or too long a cluster id",
                   QUORUM_ROOTS_MAX);
        return E_INVAL;
    }
    *identity = (struct quorum_identity){.node_id = options->node_id};
    identity->directory_count = (int32_t)count;
    slice_to_text(options->cluster_id, identity->cluster_id, sizeof(identity->cluster_id));
    for (size_t i = 0; i < count && e == E_OK; i++)
        e = read_root(identity, replica_roots_at(options->roots, i), &identity->directory_ids[i],
                      report);
    if (e != E_OK)
        return e;
    if (identity->cluster_id[0] == 0)
        uuid_to_text(new_id(os), identity->cluster_id);
    if (identity->node_id == -1)
        identity->node_id = LONE_NODE_ID;
    for (size_t i = 0; i < count && e == E_OK; i++) {
        if (!uuid_is_zero(identity->directory_ids[i]))
            continue;
        identity->directory_ids[i] = new_id(os);
        e = write_root(identity, replica_roots_at(options->roots, i), identity->directory_ids[i],
                       report);
    }
    return e;
}
