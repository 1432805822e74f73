/* meta.properties: any text; who is accepted has an id, and the same text agrees with it again. */
#include "quorum/quorum_priv.h"

#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct quorum_identity identity = {.node_id = -1};
    struct report report = {0};
    struct uuid directory_id = {{0}}, again = {{0}};

    if (quorum_identity_decode(&identity, slice_of(bytes, size), &directory_id, &report) != E_OK) {
        FUZZ_CHECK(report.text[0] != 0);
        return 0;
    }
    FUZZ_CHECK(identity.node_id >= 0 && identity.cluster_id[0] != 0);
    FUZZ_CHECK(memchr(identity.cluster_id, 0, sizeof(identity.cluster_id)) != NULL);
    FUZZ_CHECK(quorum_identity_decode(&identity, slice_of(bytes, size), &again, &report) == E_OK);
    FUZZ_CHECK(uuid_equal(directory_id, again));
    return 0;
}
