#include "base/list.h"

size_t list_count(const struct list_node *head)
{
    size_t count = 0;

    for (const struct list_node *n = head->next; n != head; n = n->next)
        count++;
    return count;
}

void list_splice_back(struct list_node *head, struct list_node *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    list_init(from);
}
