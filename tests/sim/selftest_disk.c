#include "unit.h"

#include "os/dir.h"
#include "os/file.h"
#include "selftest.h"

/* One machine that runs steps, each a life of its own. */
struct machine {
    struct sim_world *world;
    struct sim_node *node;
    void (*step)(struct machine *m, struct os_dir *dir);
    bool is_over; /* the step came to its end */
    enum err err;
    char text[32];
    uint64_t value;
};

static void machine_main(void *ctx, struct os *os)
{
    struct machine *m = ctx;
    struct os_dir *dir;

    m->err = os_dir_open(os, "data", true, &dir);
    if (m->err != E_OK)
        return;
    m->step(m, dir);
    os_dir_close(dir);
    m->is_over = true;
}

static void machine_run(struct machine *m, void (*step)(struct machine *m, struct os_dir *dir))
{
    m->step = step;
    m->is_over = false;
    m->err = E_OK;
    sim_node_start(m->node, machine_main, m);
    while (sim_node_is_up(m->node) && sim_step(m->world))
        continue;
}

static struct machine machine_new(uint64_t seed)
{
    struct machine m = {.world = sim_world_new(seed)};

    m.node = sim_node_new(m.world, "10.0.0.1");
    return m;
}

static void write_at(struct machine *m, struct os_dir *dir, const char *name, int64_t pos,
                     const char *text)
{
    struct os_file *file;

    assert_int_equal(os_file_open(dir, name, OS_FILE_CREATE, &file), E_OK);
    m->err = os_file_write(file, pos, text, strlen(text));
    os_file_unref(file);
}

static enum err sync_file(struct os_dir *dir, const char *name)
{
    struct os_file *file;
    enum err e;

    assert_int_equal(os_file_open(dir, name, OS_FILE_WRITE, &file), E_OK);
    e = os_file_sync(file);
    os_file_unref(file);
    return e;
}

static void read_text(struct machine *m, struct os_dir *dir)
{
    struct os_file *file;
    size_t size = 0;

    memset(m->text, 0, sizeof(m->text));
    m->err = os_file_open(dir, "file", OS_FILE_READ, &file);
    if (m->err != E_OK)
        return;
    m->err = os_file_read(file, 0, m->text, sizeof(m->text) - 1, &size);
    os_file_unref(file);
}

static void write_unsynced(struct machine *m, struct os_dir *dir)
{
    struct os_file *file;

    write_at(m, dir, "file", 0, "synced");
    assert_int_equal(sync_file(dir, "file"), E_OK);
    assert_int_equal(os_dir_sync(dir), E_OK);
    write_at(m, dir, "file", 6, " and not");
    write_at(m, dir, "other", 0, "x");
    sim_node_crash(m->node);
    assert_int_equal(os_file_open(dir, "x", OS_FILE_NEW, &file), E_OK); /* never comes here */
}

static void a_crash_forgets_some_of_what_was_not_synced(void **state)
{
    int kept = 0;
    int others = 0;

    for (uint64_t seed = 0; seed < 60; seed++) {
        struct machine m = machine_new(seed);

        machine_run(&m, write_unsynced);
        assert_false(m.is_over);
        machine_run(&m, read_text);
        assert_int_equal(m.err, E_OK);
        assert_memory_equal(m.text, "synced", 6);
        kept += strcmp(m.text, "synced and not") == 0;
        others += sim_disk_size(m.node, "data/other") >= 0;
        assert_int_equal(sim_disk_size(m.node, "data/x"), -1);
        sim_world_free(m.world);
    }
    assert_in_range(kept, 5, 55);
    assert_in_range(others, 5, 55);
}

static void write_and_exit(struct machine *m, struct os_dir *dir)
{
    write_at(m, dir, "file", 0, "written");
    sim_node_kill(m->node);
}

static void a_kill_keeps_the_page_cache(void **state)
{
    struct machine m = machine_new(5);

    machine_run(&m, write_and_exit);
    machine_run(&m, read_text);
    assert_string_equal(m.text, "written");
    sim_world_free(m.world);
}

enum { BLOCK = 512, BLOCKS = 64 };

static void write_blocks(struct machine *m, struct os_dir *dir)
{
    uint8_t old[BLOCK * BLOCKS];
    struct os_file *file;

    memset(old, 'o', sizeof(old));
    assert_int_equal(os_file_open(dir, "file", OS_FILE_CREATE, &file), E_OK);
    assert_int_equal(os_file_write(file, 0, old, sizeof(old)), E_OK);
    assert_int_equal(os_file_sync(file), E_OK);
    assert_int_equal(os_dir_sync(dir), E_OK);
    memset(old, 'n', sizeof(old));
    assert_int_equal(os_file_write(file, 0, old, sizeof(old)), E_OK);
    sim_node_crash(m->node);
}

static void count_new(struct machine *m, struct os_dir *dir)
{
    uint8_t bytes[BLOCK * BLOCKS];
    struct os_file *file;
    size_t size;

    assert_int_equal(os_file_open(dir, "file", OS_FILE_READ, &file), E_OK);
    assert_int_equal(os_file_read(file, 0, bytes, sizeof(bytes), &size), E_OK);
    assert_int_equal(size, sizeof(bytes));
    m->value = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t k = 1; k < BLOCK; k++)
            assert_int_equal(bytes[i * BLOCK + k], bytes[i * BLOCK]);
        m->value += bytes[i * BLOCK] == 'n';
    }
    os_file_unref(file);
}

static void blocks_survive_one_by_one(void **state)
{
    int mixed = 0;

    for (uint64_t seed = 0; seed < 60; seed++) {
        struct machine m = machine_new(seed);

        machine_run(&m, write_blocks);
        machine_run(&m, count_new);
        assert_true(m.is_over);
        mixed += m.value > 0 && m.value < BLOCKS;
        sim_world_free(m.world);
    }
    assert_in_range(mixed, 10, 50);
}

static void fail_sync(struct machine *m, struct os_dir *dir)
{
    write_at(m, dir, "file", 0, "synced");
    assert_int_equal(sync_file(dir, "file"), E_OK);
    assert_int_equal(os_dir_sync(dir), E_OK);
    write_at(m, dir, "file", 6, " lost");
    sim_node_disk(m->node)->sync_fail_ppm = 1000000;
    assert_int_equal(sync_file(dir, "file"), E_IO);
    sim_node_disk(m->node)->sync_fail_ppm = 0;
    assert_int_equal(sync_file(dir, "file"), E_OK); /* and says that all is well */
    sim_node_crash(m->node);
}

static void a_sync_after_a_failed_one_lies(void **state)
{
    int lost = 0;

    for (uint64_t seed = 0; seed < 40; seed++) {
        struct machine m = machine_new(seed);

        machine_run(&m, fail_sync);
        machine_run(&m, read_text);
        assert_memory_equal(m.text, "synced", 6);
        lost += strcmp(m.text, "synced lost") != 0;
        sim_world_free(m.world);
    }
    assert_in_range(lost, 5, 39);
}

static void replace(struct machine *m, struct os_dir *dir)
{
    if (os_dir_replace_file(dir, "file", slice_of_text("old")) != E_OK)
        return;
    m->value = 1;
    if (os_dir_replace_file(dir, "file", slice_of_text("new")) != E_OK)
        return;
    m->value = 2;
}

static void replacing_is_atomic_at_every_crash(void **state)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct machine m = machine_new(seed);
        bool is_old;
        bool is_new;

        sim_node_crash_after(m.node, 1 + seed % 20);
        machine_run(&m, replace);
        machine_run(&m, read_text);
        is_old = strcmp(m.text, "old") == 0;
        is_new = strcmp(m.text, "new") == 0;
        if (m.value == 2)
            assert_true(is_new);
        else if (m.value == 1)
            assert_true(is_old || is_new);
        else
            assert_true(m.err == E_NOT_FOUND || is_old);
        sim_world_free(m.world);
    }
}

static void fill(struct machine *m, struct os_dir *dir)
{
    struct os_disk_usage usage;

    write_at(m, dir, "file", 0, "1234567890");
    assert_int_equal(m->err, E_NO_SPACE);
    assert_int_equal(os_dir_usage(dir, &usage), E_OK);
    assert_int_equal(usage.size_bytes, 7);
    assert_int_equal(usage.free_bytes, 0);
    assert_int_equal(os_dir_remove_file(dir, "file"), E_OK);
    assert_int_equal(os_dir_sync(dir), E_OK);
    assert_int_equal(os_dir_usage(dir, &usage), E_OK);
    assert_int_equal(usage.free_bytes, 7);
    write_at(m, dir, "file", 0, "1234567");
    assert_int_equal(m->err, E_OK);
}

static void disks_get_full(void **state)
{
    struct machine m = machine_new(1);

    sim_node_disk(m.node)->size_bytes = 7;
    machine_run(&m, fill);
    assert_true(m.is_over);
    assert_int_equal(sim_disk_used(m.node), 7);
    sim_world_free(m.world);
}

static void hold(struct machine *m, struct os_dir *dir)
{
    struct os_file *file;
    struct os_lock *lock;
    struct os_lock *other;
    char bytes[8];
    size_t size;

    write_at(m, dir, "file", 0, "held");
    assert_int_equal(os_file_open(dir, "file", OS_FILE_READ, &file), E_OK);
    assert_int_equal(os_dir_remove_file(dir, "file"), E_OK);
    assert_int_equal(os_dir_sync(dir), E_OK);
    assert_int_equal(os_file_read(file, 0, bytes, sizeof(bytes), &size), E_OK);
    assert_int_equal(size, 4);
    os_file_unref(file);
    assert_int_equal(os_file_open(dir, "file", OS_FILE_READ, &file), E_NOT_FOUND);
    assert_int_equal(os_dir_lock(dir, "lock", &lock), E_OK);
    assert_int_equal(os_dir_lock(dir, "lock", &other), E_BUSY);
    os_lock_release(lock);
    assert_int_equal(os_dir_lock(dir, "lock", &lock), E_OK);
    sim_node_kill(m->node);
}

static void handles_outlive_names_but_not_lives(void **state)
{
    struct machine m = machine_new(1);

    machine_run(&m, hold);
    machine_run(&m, hold); /* the lock went with its process */
    sim_world_free(m.world);
}

static void read_bad(struct machine *m, struct os_dir *dir)
{
    read_text(m, dir);
    assert_int_equal(m->err, E_OK);
    assert_true(sim_disk_flip(m->node, "/data/file", 0, 1));
    read_text(m, dir);
    assert_string_equal(m->text, "vritten");
    assert_true(sim_disk_spoil(m->node, "data/file", 6));
    read_text(m, dir);
    assert_int_equal(m->err, E_IO);
    write_at(m, dir, "file", 6, "N");
    read_text(m, dir);
    assert_string_equal(m->text, "vritteN");
    assert_false(sim_disk_flip(m->node, "data/file", 7, 1));
    assert_false(sim_disk_spoil(m->node, "data/none", 0));
    sim_node_disk(m->node)->handles_max = 1;
    read_text(m, dir);
    assert_int_equal(m->err, E_TOO_MANY_FILES);
}

static void bytes_go_bad(void **state)
{
    struct machine m = machine_new(1);

    machine_run(&m, write_and_exit);
    machine_run(&m, read_bad);
    assert_true(m.is_over);
    sim_world_free(m.world);
}

static void churn(struct machine *m, struct os_dir *dir)
{
    struct rng *rng = sim_rng(m->world);
    char name[8];

    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "f%d", (int)rng_below(rng, 5));
        write_at(m, dir, name, (int64_t)rng_below(rng, 5000), "some bytes");
        if (rng_chance(rng, 1, 4))
            assert_int_equal(sync_file(dir, name), E_OK);
        if (rng_chance(rng, 1, 8))
            assert_int_equal(os_dir_rename(dir, name, "renamed"), E_OK);
        if (rng_chance(rng, 1, 8))
            assert_int_equal(os_dir_sync(dir), E_OK);
    }
}

static uint64_t churn_hash(uint64_t seed)
{
    struct machine m = machine_new(seed);
    uint64_t hash;

    for (int i = 0; i < 5; i++) {
        sim_node_crash_after(m.node, 1 + rng_below(sim_rng(m.world), 150));
        machine_run(&m, churn);
    }
    hash = sim_trace_hash(m.world) ^ sim_disk_hash(m.node);
    sim_world_free(m.world);
    return hash;
}

static void same_seed_same_world(void **state)
{
    uint64_t before = 0;

    for (uint64_t seed = 0; seed < 30; seed++) {
        uint64_t hash = churn_hash(seed);

        assert_int_equal(hash, churn_hash(seed));
        assert_int_not_equal(hash, before);
        before = hash;
    }
}

const struct CMUnitTest selftest_disk[] = {
    cmocka_unit_test(a_crash_forgets_some_of_what_was_not_synced),
    cmocka_unit_test(a_kill_keeps_the_page_cache),
    cmocka_unit_test(blocks_survive_one_by_one),
    cmocka_unit_test(a_sync_after_a_failed_one_lies),
    cmocka_unit_test(replacing_is_atomic_at_every_crash),
    cmocka_unit_test(disks_get_full),
    cmocka_unit_test(handles_outlive_names_but_not_lives),
    cmocka_unit_test(bytes_go_bad),
    cmocka_unit_test(same_seed_same_world),
    {.name = NULL}};
