#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "config/properties.h"
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

struct properties {
    struct buf cluster_id;
    struct buf directory_id;
    struct buf node_id;
    struct buf version;
};

static void properties_init(struct properties *p)
{
    buf_init(&p->cluster_id, FILE_SIZE_MAX);
    buf_init(&p->directory_id, FILE_SIZE_MAX);
    buf_init(&p->node_id, FILE_SIZE_MAX);
    buf_init(&p->version, FILE_SIZE_MAX);
}

static void properties_release(struct properties *p)
{
    buf_release(&p->cluster_id);
    buf_release(&p->directory_id);
    buf_release(&p->node_id);
    buf_release(&p->version);
}

/* Where the value of a property goes; NULL: not one of ours. */
static struct buf *property(struct properties *p, struct slice name)
{
    if (slice_equal_text(name, "cluster.id"))
        return &p->cluster_id;
    if (slice_equal_text(name, "directory.id"))
        return &p->directory_id;
    if (slice_equal_text(name, "node.id"))
        return &p->node_id;
    if (slice_equal_text(name, "version"))
        return &p->version;
    return NULL;
}

static enum err properties_read(struct properties *p, struct slice text, struct report *report)
{
    struct config_properties walk = config_properties_init(text);
    struct buf name, value;
    enum err e;

    buf_init(&name, FILE_SIZE_MAX);
    buf_init(&value, FILE_SIZE_MAX);
    while ((e = config_properties_next(&walk, &name, &value)) == E_OK) {
        struct buf *to = property(p, buf_slice(&name));

        if (to == NULL)
            continue;
        buf_clear(to);
        e = buf_append(to, value.at, value.size);
        if (e != E_OK)
            break;
    }
    if (e == E_NOT_FOUND)
        e = E_OK;
    else
        report_set(report, "line %zu: %s", walk.line, err_text(e));
    buf_release(&name);
    buf_release(&value);
    return e;
}

/* What one file says must be what is known so far. */
static enum err agree(struct quorum_identity *identity, const struct properties *p,
                      struct uuid *directory_id_out, struct report *report)
{
    struct slice cluster_id = buf_slice(&p->cluster_id);
    int64_t node_id;

    if (!slice_equal_text(buf_slice(&p->version), "1")) {
        report_set(report, "version is not 1: written by another program, or by a Kafka that "
                           "used ZooKeeper");
        return E_INVAL;
    }
    if (cluster_id.size == 0 || cluster_id.size >= QUORUM_CLUSTER_ID_SIZE_MAX ||
        memchr(cluster_id.at, 0, cluster_id.size) != NULL ||
        parse_i64(buf_slice(&p->node_id), &node_id) != E_OK || node_id < 0 || node_id > INT32_MAX) {
        report_set(report, "cluster.id or node.id is missing or invalid");
        return E_INVAL;
    }
    if (identity->cluster_id[0] == 0)
        slice_to_text(cluster_id, identity->cluster_id, sizeof(identity->cluster_id));
    if (!slice_equal_text(cluster_id, identity->cluster_id)) {
        report_set(report,
                   "cluster.id is %.*s, expected %s: the directory belongs to another "
                   "cluster",
                   (int)cluster_id.size, (const char *)cluster_id.at, identity->cluster_id);
        return E_INVAL;
    }
    if (identity->node_id == -1)
        identity->node_id = (int32_t)node_id;
    if (node_id != identity->node_id) {
        report_set(report, "node.id is %d, expected %d: the directory belongs to another node",
                   (int)node_id, (int)identity->node_id);
        return E_INVAL;
    }
    if (p->directory_id.size == 0)
        return E_OK; /* as Kafkas before 3.7 left it */
    if (uuid_parse(buf_slice(&p->directory_id), directory_id_out) != E_OK) {
        report_set(report, "directory.id is not an id");
        return E_INVAL;
    }
    return E_OK;
}

enum err quorum_identity_decode(struct quorum_identity *identity, struct slice text,
                                struct uuid *directory_id_out, struct report *report)
{
    struct properties p;
    enum err e;

    properties_init(&p);
    e = properties_read(&p, text, report);
    if (e == E_OK)
        e = agree(identity, &p, directory_id_out, report);
    properties_release(&p);
    return e;
}

static enum err read_root(struct quorum_identity *identity, struct log_root *root,
                          struct uuid *directory_id_out, struct report *report)
{
    struct buf text;
    enum err e;

    buf_init(&text, FILE_SIZE_MAX);
    e = os_dir_read_file(log_root_dir(root), file_name, &text);
    if (e == E_OK) {
        e = quorum_identity_decode(identity, buf_slice(&text), directory_id_out, report);
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
