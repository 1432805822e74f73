#pragma once

#include "base/buf.h"
#include "base/rng.h"
#include "meta/image.h"

/*
 * Random metadata records of every kind: most fit the image, some contradict it.
 * Names and ids are few, so that they meet often.
 */
void chaos_record(struct rng *rng, const struct meta_image *image, struct buf *record_out);
