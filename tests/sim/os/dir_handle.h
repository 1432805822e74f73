#pragma once

#include "sim_priv.h"

/* A handle of code under test, in its node's memory. */
struct os_dir {
    struct sim_node *node;
    struct sim_inode *inode;
};

/* One component, not too long. */
bool sim_name_is_valid(const char *name);

/* Count an open handle; false when the node has too many. */
bool sim_handle_take(struct sim_node *node);
void sim_handle_give(struct sim_node *node);
