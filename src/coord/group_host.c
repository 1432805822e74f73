#include "coord/coord_priv.h"

#include "base/mem.h"
#include "config/config.h"
#include "net/loop.h"
#include "os/os.h"
#include "wire/describe_groups.h"
#include "wire/offset_fetch.h"

/*
 * The host of the groups of one partition: takes events to the machine and its updates to the log,
 * and answers when the unit says that they are committed.
 */

enum { STEP_ARENA_MAX = 256 * 1024 * 1024 };

/* One step of the machine on its way: from the update to the answers. */
struct step {
    struct coord_op op;
    struct group_host *host;
    struct arena arena;
    struct group_update update;
    uint64_t token; /* of a question; 0: the update has replies */
};

static struct step *step_new(struct group_host *host)
{
    struct step *step = mem_alloc_zero(sizeof(*step));

    if (step == NULL)
        return NULL;
    step->host = host;
    arena_init(&step->arena, STEP_ARENA_MAX);
    group_update_init(&step->update, &step->arena);
    return step;
}

static void step_free(struct step *step)
{
    group_update_release(&step->update);
    arena_release(&step->arena);
    mem_free(step);
}

/* ---- answers ---- */

static void answer(struct coord *coord, const struct group_reply *reply, enum wire_error error)
{
    struct coord_call *call = coord_waiting(coord, reply->token);

    if (call == NULL)
        return;
    call->reply = reply;
    coord_end(coord, call, error);
}

static void answer_all(struct step *step, enum wire_error error)
{
    struct coord *coord = step->host->coord;
    struct coord_call *call = coord_waiting(coord, step->token);

    for (size_t i = 0; i < step->update.replies.count; i++)
        answer(coord, vec_at(&step->update.replies, i), error);
    if (step->token != 0 && call != NULL)
        coord_end(coord, call, error);
}

static void step_release(struct coord_op *op)
{
    struct step *step = LIST_ENTRY(op, struct step, op);

    answer_all(step, coord_error(op->err));
    step_free(step);
}

/* ---- time ---- */

static void schedule(struct group_host *host)
{
    struct loop *loop = host->coord->options.loop;
    int64_t deadline = groups_deadline_ms(host->groups);

    if (deadline == INT64_MAX)
        loop_timer_stop(loop, &host->timer);
    else
        loop_timer_start(loop, &host->timer, deadline);
}

static bool step_finish(struct step *step);

/* The machine learns that its records were refused; what that leads to may be written after all. */
static void refused(struct group_host *host, struct step *from)
{
    struct step *step = step_new(host);

    if (step == NULL)
        return;
    if (from->update.group_id.at != NULL &&
        groups_refused(host->groups, from->update.group_id, loop_now_ms(host->coord->options.loop),
                       &step->update) == E_OK)
        (void)step_finish(step);
    else
        step_free(step);
}

/*
 * Append what the step wants appended; the answers go when that is committed. False: refused, and
 * answered.
 */
static bool step_finish(struct step *step)
{
    struct group_host *host = step->host;
    struct coord_submit submit = {.records = &step->update.records,
                                  .wall_ms = loop_wall_ms(host->coord->options.loop),
                                  .producer_id = step->update.producer_id,
                                  .producer_epoch = step->update.producer_epoch};
    enum err e;

    step->op.release = step_release;
    e = coord_unit_submit(host->unit, &submit, &step->op);
    if (e != E_OK) {
        answer_all(step, coord_error(e));
        if (record_list_count(&step->update.records) > 0 &&
            coord_unit_state(host->unit) == COORD_ACTIVE)
            refused(host, step);
        step_free(step);
    }
    schedule(host);
    return e == E_OK;
}

static void on_timer(struct loop_timer *timer)
{
    struct group_host *host = LIST_ENTRY(timer, struct group_host, timer);
    struct loop *loop = host->coord->options.loop;
    struct step *step;

    if (coord_unit_state(host->unit) != COORD_ACTIVE)
        return;
    step = step_new(host);
    if (step == NULL) {
        loop_timer_start(loop, timer, loop_now_ms(loop) + COORD_RETRY_MS);
        return;
    }
    if (groups_expire(host->groups, loop_now_ms(loop), loop_wall_ms(loop), &step->update) != E_OK)
        record_list_clear(&step->update.records);
    (void)step_finish(step);
}

void group_host_expire_offsets(struct group_host *host)
{
    int64_t wall_ms = loop_wall_ms(host->coord->options.loop);
    bool is_done = false;

    while (!is_done && coord_unit_state(host->unit) == COORD_ACTIVE) {
        struct step *step = step_new(host);

        if (step == NULL)
            return;
        if (groups_expire_offsets(host->groups, wall_ms, &step->update, &is_done) != E_OK ||
            record_list_count(&step->update.records) == 0) {
            step_free(step);
            return;
        }
        if (!step_finish(step))
            return; /* the next time */
    }
}

void group_host_delete_topic(struct group_host *host, struct slice topic)
{
    bool is_done = false;

    while (!is_done && coord_unit_state(host->unit) == COORD_ACTIVE) {
        struct step *step = step_new(host);

        if (step == NULL)
            return;
        if (groups_delete_topic(host->groups, topic, &step->update, &is_done) != E_OK ||
            record_list_count(&step->update.records) == 0) {
            step_free(step);
            return;
        }
        if (!step_finish(step))
            return;
    }
}

void group_host_forget(struct group_host *host, uint64_t token)
{
    if (host->groups != NULL)
        groups_forget(host->groups, token);
}

void group_host_end_calls(struct group_host *host)
{
    struct list_node *n;

    while ((n = list_first(&host->calls)) != NULL)
        coord_end(host->coord, LIST_ENTRY(n, struct coord_call, node), WIRE_ERROR_NOT_COORDINATOR);
}

/* ---- events ---- */

static enum err ask(struct group_host *host, struct coord_call *call)
{
    if (call->kind == COORD_OFFSET_FETCH) {
        call->fetched = arena_alloc(call->arena, sizeof(*call->fetched));
        return call->fetched == NULL
                   ? E_NOMEM
                   : group_fetch_offsets(host->groups, call->request.offset_fetch,
                                         call->require_stable, call->arena, call->fetched);
    }
    call->described = arena_alloc(call->arena, sizeof(*call->described));
    return call->described == NULL ? E_NOMEM
                                   : group_describe(host->groups, call->request.group_id,
                                                    call->version, call->arena, call->described);
}

static enum err run(struct group_host *host, struct coord_call *call, struct step *step)
{
    struct loop *loop = host->coord->options.loop;
    const struct group_call who = {.token = call->token,
                                   .now_ms = loop_now_ms(loop),
                                   .wall_ms = loop_wall_ms(loop),
                                   .version = call->version,
                                   .client_id = call->client_id,
                                   .client_host = call->client_host};
    struct groups *groups = host->groups;
    struct group_update *update = &step->update;

    switch (call->kind) {
    case COORD_JOIN:
        return group_join(groups, &who, call->request.join, update);
    case COORD_SYNC:
        return group_sync(groups, &who, call->request.sync, update);
    case COORD_HEARTBEAT:
        return group_heartbeat(groups, &who, call->request.heartbeat, update);
    case COORD_LEAVE:
        return group_leave(groups, &who, call->request.leave, update);
    case COORD_OFFSET_COMMIT:
        return group_commit(groups, &who, call->request.offset_commit, call->errors, update);
    case COORD_TXN_OFFSET_COMMIT:
        return group_commit_txn(groups, &who, call->request.txn_offset_commit, call->errors,
                                update);
    case COORD_OFFSET_DELETE:
        return group_delete_offsets(groups, &who, call->request.offset_delete, update);
    case COORD_DELETE:
        return group_delete(groups, &who, call->request.group_id, update);
    case COORD_OFFSET_FETCH:
    case COORD_DESCRIBE:
        step->token = call->token;
        return ask(host, call);
    }
    return E_INVAL;
}

void group_host_call(struct group_host *host, struct coord_call *call)
{
    struct step *step = step_new(host);
    uint64_t token = call->token;
    enum err e = step == NULL ? E_NOMEM : run(host, call, step);

    if (e == E_OK) {
        (void)step_finish(step);
        return;
    }
    if (step != NULL)
        step_free(step);
    groups_forget(host->groups, token);
    coord_end(host->coord, call, coord_error(e));
}

/* ---- the unit's machine ---- */

static enum err apply(void *ctx, const struct coord_record *record)
{
    struct group_host *host = ctx;

    return groups_apply(host->groups, &(struct group_record){.key = record->key,
                                                             .value = record->value,
                                                             .offset = record->offset,
                                                             .producer_id = record->producer_id});
}

static enum err apply_marker(void *ctx, int64_t producer_id, bool is_commit)
{
    struct group_host *host = ctx;

    return groups_apply_marker(host->groups, producer_id, is_commit);
}

static void loaded(void *ctx)
{
    struct group_host *host = ctx;

    groups_loaded(host->groups, loop_now_ms(host->coord->options.loop));
    schedule(host);
}

static enum err groups_begin(struct group_host *host, struct groups **groups_out)
{
    uint64_t seed;

    os_random(loop_os(host->coord->options.loop), &seed, sizeof(seed));
    return groups_new(&host->options, seed, groups_out);
}

static void reset(void *ctx)
{
    struct group_host *host = ctx;
    struct groups *fresh;

    loop_timer_stop(host->coord->options.loop, &host->timer);
    group_host_end_calls(host);
    if (groups_begin(host, &fresh) != E_OK)
        return; /* what is loaded again comes to the same in the old one */
    groups_free(host->groups);
    host->groups = fresh;
}

static const struct coord_machine GROUP_MACHINE = {
    .apply = apply, .apply_marker = apply_marker, .reset = reset, .loaded = loaded};

/* ---- life ---- */

static struct group_options options_of(const struct config *config)
{
    return (struct group_options){
        .min_session_timeout_ms = (int32_t)config_i64(config, CONFIG_GROUP_MIN_SESSION_MS),
        .max_session_timeout_ms = (int32_t)config_i64(config, CONFIG_GROUP_MAX_SESSION_MS),
        .initial_rebalance_delay_ms = (int32_t)config_i64(config, CONFIG_GROUP_INITIAL_DELAY_MS),
        .max_size = (int32_t)config_i64(config, CONFIG_GROUP_MAX_SIZE),
        .metadata_max_bytes = (int32_t)config_i64(config, CONFIG_OFFSET_METADATA_MAX),
        .offsets_retention_ms = config_i64(config, CONFIG_OFFSETS_RETENTION_MINUTES) * 60 * 1000,
    };
}

enum err group_host_open(struct coord *coord, struct partition_id id, struct group_host **host_out)
{
    struct coord_unit_options options = {
        .loop = coord->options.loop,
        .trace = coord->options.trace,
        .manager = coord->options.manager,
        .id = id,
        .topic = slice_of_text(COORD_OFFSETS_TOPIC),
        .machine = &GROUP_MACHINE,
    };
    struct group_host *host = mem_alloc_zero(sizeof(*host));
    enum err e;

    if (host == NULL)
        return E_NOMEM;
    host->coord = coord;
    host->timer.fire = on_timer;
    list_init(&host->calls);
    host->options = options_of(coord->options.config);
    options.ctx = host;
    e = groups_begin(host, &host->groups);
    if (e == E_OK)
        e = coord_unit_open(&options, &host->unit);
    if (e != E_OK) {
        groups_free(host->groups);
        mem_free(host);
        return e;
    }
    *host_out = host;
    return E_OK;
}

void group_host_close(struct group_host *host)
{
    if (host == NULL)
        return;
    loop_timer_stop(host->coord->options.loop, &host->timer);
    group_host_end_calls(host);
    coord_unit_close(host->unit);
    groups_free(host->groups);
    mem_free(host);
}
