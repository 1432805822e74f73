#include "storage/log_priv.h"

#include "os/dir.h"
#include "os/file.h"
#include "storage/text_priv.h"

/*
 * Creation costs no sync. A log is *fresh* as long as it never had a byte: its directory, its empty
 * first segment, partition.metadata and leader-epoch-checkpoint are made and not synced. After a
 * crash any of them may be missing or senseless, and then the log is fresh again.
 *
 *     made --log_settle--> root synced -> dlog.checkpoint with the topic id, directory synced
 *                                      -> the first byte is written
 *
 * So a directory with records has a checkpoint that says whose they are, and where there is a
 * checkpoint the directory's own name is durable. One sync of the root is for all logs made before.
 */
enum { METADATA_FILE_MAX = 4096 };

void log_begin_fresh(struct log *log)
{
    log->is_fresh = true;
    log->has_loose_epochs = log->epochs.entries.count > 0;
    log->made_number = atomic_fetch_add(&log->root->made_count, 1) + 1;
}

static enum err sync_root(struct log *log)
{
    struct log_root *root = log->root;
    uint64_t durable = atomic_load(&root->durable_count);
    uint64_t made = atomic_load(&root->made_count);
    enum err e;

    if (durable >= log->made_number)
        return E_OK;
    e = os_dir_sync(root->dir);
    if (e != E_OK)
        return log_break(log, e);
    while (durable < made && !atomic_compare_exchange_weak(&root->durable_count, &durable, made))
        ;
    return E_OK;
}

enum err log_settle(struct log *log)
{
    struct os_dir *dir;
    enum err e;

    if (!log->is_fresh)
        return E_OK;
    e = sync_root(log);
    if (e == E_OK)
        e = log_dir_open(log, &dir);
    if (e != E_OK)
        return e;
    e = log_checkpoint_rewrite(log, dir);
    os_dir_close(dir);
    if (e == E_OK)
        log->is_fresh = false;
    return e == E_IO ? log_break(log, e) : e;
}

enum err log_put_file(const struct log *log, struct os_dir *dir, const char *name,
                      struct slice bytes)
{
    struct os_file *file;
    enum err e;

    if (!log->is_fresh)
        return os_dir_replace_file(dir, name, bytes);
    e = os_file_open(dir, name, OS_FILE_CREATE, &file);
    if (e != E_OK)
        return e;
    e = os_file_truncate(file, 0);
    if (e == E_OK)
        e = os_file_write(file, 0, bytes.at, bytes.size);
    os_file_unref(file);
    return e;
}

/* Whose it is */

struct uuid log_decode_topic_id(struct slice text)
{
    struct uuid found = {{0}}, id;

    while (text.size > 0) {
        struct slice line = text_line(&text);

        if (!slice_equal_text(text_word(&line), "topic_id:"))
            continue;
        while (line.size > 0 && line.at[0] == ' ')
            text_word(&line);
        if (uuid_parse(line, &id) == E_OK)
            found = id;
    }
    return found;
}

struct uuid log_topic_id(const struct log *log)
{
    return log->topic_id;
}

static enum err write_metadata(const struct log *log, struct os_dir *dir, struct uuid topic_id)
{
    char text[UUID_TEXT_SIZE];
    struct buf file;
    enum err e;

    buf_init(&file, METADATA_FILE_MAX);
    uuid_to_text(topic_id, text);
    e = buf_printf(&file, "version: 0\ntopic_id: %s\n", text);
    if (e == E_OK)
        e = log_put_file(log, dir, LOG_METADATA_NAME, buf_slice(&file));
    buf_release(&file);
    return e;
}

enum err log_set_topic_id(struct log *log, struct uuid topic_id)
{
    struct uuid before = log->topic_id;
    struct os_dir *dir;
    enum err e;

    if (uuid_equal(before, topic_id))
        return E_OK;
    if (log_refuses(log))
        return E_BROKEN;
    e = log_dir_open(log, &dir);
    if (e != E_OK)
        return e;
    e = write_metadata(log, dir, topic_id);
    if (e == E_OK)
        log->topic_id = topic_id;
    /* The checkpoint goes before partition.metadata; until it is written the old id counts. */
    if (e == E_OK && !log->is_fresh && !uuid_is_zero(before)) {
        e = log_checkpoint_rewrite(log, dir);
        if (e != E_OK)
            log->topic_id = before;
    }
    os_dir_close(dir);
    return e;
}

/* Zero when there is no such file, or no id in it. */
static struct uuid metadata_id(struct os_dir *dir)
{
    struct uuid id = {{0}};
    struct buf text;

    buf_init(&text, METADATA_FILE_MAX);
    if (os_dir_read_file(dir, LOG_METADATA_NAME, &text) == E_OK)
        id = log_decode_topic_id(buf_slice(&text));
    buf_release(&text);
    return id;
}

static struct uuid checkpoint_id(struct os_dir *dir)
{
    struct uuid id = {{0}};
    struct log_checkpoint c;
    struct buf text;

    buf_init(&text, LOG_SMALL_FILE_MAX);
    log_checkpoint_init(&c);
    if (os_dir_read_file(dir, LOG_CHECKPOINT_NAME, &text) == E_OK &&
        log_checkpoint_decode(&c, buf_slice(&text)) == E_OK)
        id = c.topic_id;
    log_checkpoint_release(&c);
    buf_release(&text);
    return id;
}

enum err log_restore_metadata(const struct log *log, struct os_dir *dir)
{
    if (uuid_is_zero(log->topic_id) || !uuid_is_zero(metadata_id(dir)))
        return E_OK;
    return write_metadata(log, dir, log->topic_id);
}

struct uuid log_root_topic_id(struct log_root *root, const char *name)
{
    struct uuid id = {{0}};
    struct os_dir *dir;

    if (os_dir_open_in(root->dir, name, false, &dir) != E_OK)
        return id;
    id = checkpoint_id(dir);
    if (uuid_is_zero(id))
        id = metadata_id(dir);
    os_dir_close(dir);
    return id;
}
