#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/reader.h"
#include "base/report.h"
#include "base/writer.h"

struct cli;

/*
 * Link: one connection to one broker, for what librdkafka cannot ask: a request out, its answer in,
 * by the codecs of wire/. Blocking, with a time-out; plain text.
 *
 *     e = cli_link_open(cli, &link, &report);
 *     CLI_LINK_CALL(link, list_groups, LIST_GROUPS, &in, &out, &report)
 *     cli_link_close(link);
 *
 * The version is the highest that both sides know, within what the caller can fill in. Answers live
 * in the link's arena, until cli_link_forget() or the end.
 *
 * Thread: one.
 */
struct cli_link;

enum { CLI_LINK_TIMEOUT_MS = 30 * 1000, CLI_LINK_NAME_SIZE = 300 };

/*
 * To the first of --broker that answers.
 *
 *   E_INVAL    --broker is no list of HOST:PORT
 *   E_TIMEOUT  nobody answers; the report says what to do
 */
NODISCARD enum err cli_link_open(const struct cli *cli, struct cli_link **link_out,
                                 struct report *report);

/* To that broker. E_TIMEOUT as above. */
NODISCARD enum err cli_link_open_at(const struct cli *cli, struct slice host, int32_t port,
                                    struct cli_link **link_out, struct report *report);
void cli_link_close(struct cli_link *link); /* NULL is fine */

/* "host:port" that it is connected to. */
const char *cli_link_name(const struct cli_link *link);

struct arena *cli_link_arena(struct cli_link *link);

/* Free all answers so far; for who asks for ever. */
void cli_link_forget(struct cli_link *link);

/* Does the broker serve this API at all? */
bool cli_link_serves(const struct cli_link *link, int16_t key);

/*
 * A request of the highest common version, at most `version_max`, is begun in the writer.
 *
 *   E_UNSUPPORTED  the broker does not serve that; the report says what
 */
NODISCARD enum err cli_link_begin(struct cli_link *link, int16_t key, int16_t version_max,
                                  int16_t *version_out, struct report *report);
struct writer *cli_link_writer(struct cli_link *link);

/*
 * Send it and wait for the answer, whose body is left in the reader.
 *
 *   E_TIMEOUT, E_CLOSED, E_IO, E_CORRUPT; errors of the writer
 */
NODISCARD enum err cli_link_finish(struct cli_link *link, struct reader *answer_out,
                                   struct report *report);

/* The answer did not decode. */
enum err cli_link_broken(const struct cli_link *link, struct report *report);

/* An error code in an answer, for people: "cannot WHAT: ...". Returns E_IO, or E_OK for none. */
NODISCARD enum err cli_link_error(int16_t code, struct slice message, const char *what,
                                  struct report *report);

/* The whole of a call, as an expression of type enum err: schema `name`, its key `NAME`. */
#define CLI_LINK_CALL_UP_TO(link, name, NAME, max, in, out, report)                               \
    __extension__({                                                                               \
        int16_t version_ = 0;                                                                     \
        struct reader answer_;                                                                    \
        enum err e_ = cli_link_begin(link, WIRE_##NAME##_KEY, max, &version_, report);            \
        if (e_ == E_OK) {                                                                         \
            wire_##name##_request_encode(cli_link_writer(link), version_, in);                    \
            e_ = cli_link_finish(link, &answer_, report);                                         \
        }                                                                                         \
        if (e_ == E_OK &&                                                                         \
            wire_##name##_response_decode(&answer_, version_, cli_link_arena(link), out) != E_OK) \
            e_ = cli_link_broken(link, report);                                                   \
        e_;                                                                                       \
    })
#define CLI_LINK_CALL(link, name, NAME, in, out, report) \
    CLI_LINK_CALL_UP_TO(link, name, NAME, WIRE_##NAME##_REQUEST_VERSION_MAX, in, out, report)
