#include "coord/coord_priv.h"
#include "wire/list_groups.h"
#include "wire/offset_fetch.h"

enum { GROUPS_MAX = 1024 * 1024 };

struct census {
    struct arena *arena;
    bool (*each)(void *ctx, const struct coord_group *group);
    void *ctx;
};

/* False: no more of them. */
static bool tell(const struct census *c, const struct groups *groups,
                 const struct group_listed *listed, bool *is_whole)
{
    struct wire_offset_fetch_request_offset_fetch_request_group ask;
    struct wire_offset_fetch_response_offset_fetch_response_group answer;
    struct coord_group group = {.listed = *listed, .offsets = &answer};

    wire_offset_fetch_request_offset_fetch_request_group_init(&ask);
    ask.group_id = listed->group_id;
    ask.topics_count = -1; /* all */
    wire_offset_fetch_response_offset_fetch_response_group_init(&answer);
    if (group_fetch_offsets(groups, &ask, false, c->arena, &answer) != E_OK) {
        *is_whole = false;
        return false;
    }
    return c->each(c->ctx, &group);
}

bool coord_each_group(const struct coord *coord, struct arena *arena,
                      bool (*each)(void *ctx, const struct coord_group *group), void *ctx)
{
    const struct census c = {arena, each, ctx};
    struct wire_list_groups_request all;
    struct map_iter it = {0};
    struct group_host *host;
    struct vec list;
    bool is_whole = true;
    bool is_more = true;

    wire_list_groups_request_init(&all);
    vec_init(&list, sizeof(struct group_listed), GROUPS_MAX);
    while (is_more && (host = map_u64_next(&coord->hosts, &it, NULL)) != NULL) {
        if (coord_unit_state(host->unit) != COORD_ACTIVE)
            continue;
        vec_clear(&list);
        is_whole = groups_list(host->groups, &all, &list) == E_OK;
        is_more = is_whole;
        for (size_t i = 0; is_more && i < list.count; i++)
            is_more = tell(&c, host->groups, vec_at(&list, i), &is_whole);
    }
    vec_release(&list);
    return is_whole;
}
