#include "os/os.h"
#include "replica/partition.h"

enum { NS_PER_US = 1000 };

int64_t replica_stats_now_ns(struct os *os)
{
    return os_mono_ns(os);
}

void replica_stats_synced(struct replica_stats *stats, int64_t ns, size_t appends)
{
    hist_record(&stats->sync_us, (uint64_t)ns / NS_PER_US);
    counter_add(&stats->synced_appends, appends);
}

static void add(struct counter *sum, const struct counter *from)
{
    counter_add(sum, counter_get(from));
}

void replica_stats_add(struct replica_stats *sum, const struct replica_stats *from)
{
    add(&sum->scrubbed_bytes, &from->scrubbed_bytes);
    add(&sum->damaged_ranges, &from->damaged_ranges);
    hist_merge(&sum->sync_us, &from->sync_us);
    add(&sum->synced_appends, &from->synced_appends);
    add(&sum->sync_failures, &from->sync_failures);
    add(&sum->opened_clean, &from->opened_clean);
    add(&sum->opened_scanned, &from->opened_scanned);
    add(&sum->opened_torn, &from->opened_torn);
    add(&sum->opened_damaged, &from->opened_damaged);
    add(&sum->opened_failed, &from->opened_failed);
    add(&sum->recovered_bytes, &from->recovered_bytes);
    add(&sum->torn_bytes, &from->torn_bytes);
    add(&sum->rebuilt_indexes, &from->rebuilt_indexes);
    add(&sum->retention_bytes, &from->retention_bytes);
    add(&sum->compactions, &from->compactions);
    add(&sum->compaction_failures, &from->compaction_failures);
    add(&sum->compacted_bytes_before, &from->compacted_bytes_before);
    add(&sum->compacted_bytes_after, &from->compacted_bytes_after);
    add(&sum->compaction_ms, &from->compaction_ms);
}
