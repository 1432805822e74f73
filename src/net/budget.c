#include <assert.h>
#include <stdint.h>

#include "net/conn_priv.h"

/*
 * Who may hold memory for received bytes.
 *
 * Invariants
 *   1. used_bytes is the sum of the capacities of the receive blocks.
 *   2. waiting_count is the number of connections with is_waiting and this budget.
 *   3. somebody waits  =>  somebody is favoured or there is room, at the end of
 *      each call: so no connection waits for ever.
 */

/* Below this a read is not worth its system call. */
enum { ROOM_MIN = 4096 };

static bool has_room(const struct net_budget *budget)
{
    return budget->used_bytes + ROOM_MIN <= budget->limit_bytes;
}

size_t net_budget_room(const struct conn *conn)
{
    const struct net_budget *budget = conn->options.budget;

    if (budget == NULL || budget->favoured == conn)
        return SIZE_MAX;
    if (has_room(budget))
        return budget->limit_bytes - budget->used_bytes;
    return 0;
}

bool net_budget_favour(struct conn *conn)
{
    struct net_budget *budget = conn->options.budget;

    if (budget->favoured == NULL)
        budget->favoured = conn;
    return budget->favoured == conn;
}

void net_budget_wait(struct conn *conn)
{
    if (conn->is_waiting)
        return;
    conn->is_waiting = true;
    conn->options.budget->waiting_count++;
    list_push_back(&conn->loop->waiting, &conn->waiting);
    conn_update_interest(conn);
}

static void stop_waiting(struct conn *conn)
{
    if (!conn->is_waiting)
        return;
    conn->is_waiting = false;
    conn->options.budget->waiting_count--;
    list_remove(&conn->waiting);
}

static void wake_waiting(struct loop *loop, struct net_budget *budget)
{
    struct list_node *next;

    for (struct list_node *n = loop->waiting.next; n != &loop->waiting; n = next) {
        struct conn *conn = LIST_ENTRY(n, struct conn, waiting);
        bool is_room = has_room(budget);

        next = n->next;
        if (budget->waiting_count == 0 || (!is_room && budget->favoured != NULL))
            return;
        if (conn->options.budget != budget)
            continue;
        if (!is_room)
            budget->favoured = conn;
        stop_waiting(conn);
        conn->received_ms = loop->now_ms; /* the pause was ours */
        conn_update_interest(conn);
    }
}

void net_budget_charge(struct conn *conn, size_t capacity_before, size_t capacity_after)
{
    struct net_budget *budget = conn->options.budget;

    if (budget == NULL)
        return;
    assert(budget->used_bytes >= capacity_before);
    budget->used_bytes += capacity_after - capacity_before;
    if (capacity_after < capacity_before && budget->waiting_count > 0)
        wake_waiting(conn->loop, budget);
}

void net_budget_done(struct conn *conn)
{
    struct net_budget *budget = conn->options.budget;

    if (budget == NULL || budget->favoured != conn)
        return;
    budget->favoured = NULL;
    if (budget->waiting_count > 0)
        wake_waiting(conn->loop, budget);
}

void net_budget_leave(struct conn *conn)
{
    stop_waiting(conn);
    net_budget_done(conn);
}
