#include "cli/cli_link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/parse.h"
#include "cli/cli.h"
#include "wire/api.h"
#include "wire/api_versions.h"
#include "wire/error.h"
#include "wire/header.h"

enum {
    CONNECT_MS = 5 * 1000,
    ARENA_MAX = 512 * 1024 * 1024,
    FRAME_MAX = 256 * 1024 * 1024,
    PREFIX_SIZE = 4,
    HOST_MAX = 256,
    PORT_SIZE = 8,
    APIS_MAX = 256,
    API_VERSIONS_VERSION = 3,
};

struct versions {
    int16_t min;
    int16_t max; /* below min: not served */
};

struct cli_link {
    const struct cli *cli;
    int fd;
    char name[CLI_LINK_NAME_SIZE];
    struct arena arena;
    struct buf out;
    uint8_t *in; /* in the arena */
    size_t in_size;
    struct writer writer;
    int16_t key;
    int16_t version;
    int32_t correlation_id;
    struct versions versions[APIS_MAX];
};

/* ---- the socket ---- */

static bool wait_for(const struct cli_link *link, short events, int ms)
{
    struct pollfd fd = {.fd = link->fd, .events = events};
    int count;

    do
        count = poll(&fd, 1, ms);
    while (count < 0 && errno == EINTR);
    return count > 0;
}

static enum err try_address(struct cli_link *link, const struct addrinfo *at)
{
    int one = 1;
    int failed = 0;
    socklen_t size = sizeof(failed);

    link->fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->fd < 0)
        return E_IO;
    if (connect(link->fd, at->ai_addr, at->ai_addrlen) == 0 ||
        (errno == EINPROGRESS && wait_for(link, POLLOUT, CONNECT_MS) &&
         getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &failed, &size) == 0 && failed == 0)) {
        setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        return E_OK;
    }
    close(link->fd);
    link->fd = -1;
    return E_TIMEOUT;
}

static enum err connect_to(struct cli_link *link, const char *host, const char *port,
                           struct report *report)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    enum err e = E_TIMEOUT;

    snprintf(link->name, sizeof(link->name), "%s:%s", host, port);
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        report_set(report, "cannot reach %s: the host name does not resolve; check --broker",
                   link->name);
        return E_TIMEOUT;
    }
    for (const struct addrinfo *at = found; at != NULL && e != E_OK; at = at->ai_next)
        e = try_address(link, at);
    freeaddrinfo(found);
    if (e != E_OK)
        report_set(report,
                   "cannot reach %s: is dlogd running? start it with `dlogd` or pass --broker",
                   link->name);
    return e;
}

static enum err send_all(struct cli_link *link)
{
    size_t sent = 0;

    while (sent < link->out.size) {
        ssize_t n = send(link->fd, link->out.at + sent, link->out.size - sent, MSG_NOSIGNAL);

        if (n > 0)
            sent += (size_t)n;
        else if (n < 0 && errno == EINTR)
            continue;
        else if (n < 0 && errno != EAGAIN)
            return E_CLOSED;
        else if (!wait_for(link, POLLOUT, CLI_LINK_TIMEOUT_MS))
            return E_TIMEOUT;
    }
    return E_OK;
}

static enum err receive(const struct cli_link *link, uint8_t *at, size_t size)
{
    enum err e = E_OK;

    while (e == E_OK && size > 0) {
        ssize_t n = recv(link->fd, at, size, 0);

        if (n > 0) {
            at += n;
            size -= (size_t)n;
        } else if (n < 0 && errno == EINTR)
            continue;
        else if (n == 0 || errno != EAGAIN)
            e = E_CLOSED;
        else if (!wait_for(link, POLLIN, CLI_LINK_TIMEOUT_MS))
            e = E_TIMEOUT;
    }
    return e;
}

static enum err receive_frame(struct cli_link *link)
{
    uint8_t prefix[PREFIX_SIZE];
    struct reader r = reader_init(prefix, sizeof(prefix));
    enum err e = receive(link, prefix, sizeof(prefix));
    int32_t size;

    if (e != E_OK)
        return e;
    size = reader_i32(&r);
    if (size < 0 || size > FRAME_MAX)
        return E_CORRUPT;
    link->in = arena_alloc(&link->arena, (size_t)size + 1);
    link->in_size = (size_t)size;
    return link->in == NULL ? E_NOMEM : receive(link, link->in, (size_t)size);
}

/* ---- calls ---- */

struct writer *cli_link_writer(struct cli_link *link)
{
    return &link->writer;
}

struct arena *cli_link_arena(struct cli_link *link)
{
    return &link->arena;
}

void cli_link_forget(struct cli_link *link)
{
    arena_clear(&link->arena);
}

const char *cli_link_name(const struct cli_link *link)
{
    return link->name;
}

static void begin(struct cli_link *link, int16_t key, int16_t version)
{
    struct wire_request_header header = {
        .api_key = key,
        .api_version = version,
        .correlation_id = ++link->correlation_id,
        .client_id = slice_of_text("dlog"),
    };

    link->key = key;
    link->version = version;
    buf_clear(&link->out);
    link->writer = writer_init(&link->out);
    writer_i32(&link->writer, 0);
    wire_request_header_encode(&link->writer, &header);
}

bool cli_link_serves(const struct cli_link *link, int16_t key)
{
    return key >= 0 && key < APIS_MAX && link->versions[key].max >= link->versions[key].min;
}

enum err cli_link_begin(struct cli_link *link, int16_t key, int16_t version_max,
                        int16_t *version_out, struct report *report)
{
    const struct wire_api *api = wire_api_find(key);
    const struct versions *served = &link->versions[key < APIS_MAX ? key : 0];
    int16_t version = served->max < version_max ? served->max : version_max;

    if (!cli_link_serves(link, key) || api == NULL || version < api->version_min ||
        version < served->min) {
        report_set(report, "%s does not serve %s as we know it: is it older than this dlog?",
                   link->name, api == NULL ? "that" : api->name);
        return E_UNSUPPORTED;
    }
    begin(link, key, version);
    *version_out = version;
    return E_OK;
}

static enum err failed(const struct cli_link *link, enum err e, struct report *report)
{
    if (e == E_TIMEOUT)
        report_set(report, "%s: no answer in time", link->name);
    else if (e == E_CLOSED)
        report_set(report, "%s closed the connection: is it a Kafka listener without TLS and SASL?",
                   link->name);
    else
        report_set(report, "%s: %s", link->name, err_text(e));
    return e;
}

enum err cli_link_broken(const struct cli_link *link, struct report *report)
{
    report_set(report, "%s: the answer cannot be read", link->name);
    return E_CORRUPT;
}

enum err cli_link_finish(struct cli_link *link, struct reader *answer_out, struct report *report)
{
    struct reader r;
    int32_t correlation_id;
    enum err e;

    writer_i32_at(&link->writer, 0, (int32_t)(link->out.size - PREFIX_SIZE));
    e = writer_done(&link->writer);
    if (e == E_OK)
        e = send_all(link);
    if (e == E_OK)
        e = receive_frame(link);
    if (e != E_OK)
        return failed(link, e, report);
    r = reader_init(link->in, link->in_size);
    if (wire_response_header_decode(&r, link->key, link->version, &correlation_id) != E_OK ||
        correlation_id != link->correlation_id)
        return cli_link_broken(link, report);
    *answer_out = r;
    return E_OK;
}

enum err cli_link_error(int16_t code, struct slice message, const char *what, struct report *report)
{
    if (code == 0)
        return E_OK;
    if (message.size > 0)
        report_set(report, "cannot %s: %.*s", what, (int)message.size, (const char *)message.at);
    else
        report_set(report, "cannot %s: %s", what, wire_error_text(code));
    return E_IO;
}

/* ---- opening ---- */

/* A broker that does not know our version answers with the ones it knows, in version 0. */
static enum err versions_ask(struct cli_link *link, struct report *report)
{
    struct wire_api_versions_request in;
    struct wire_api_versions_response out;
    struct reader r;
    enum err e;

    for (int i = 0; i < APIS_MAX; i++)
        link->versions[i].max = -1;
    wire_api_versions_request_init(&in);
    in.client_software_name = slice_of_text("dlog");
    in.client_software_version = slice_of_text(DLOG_VERSION);
    begin(link, WIRE_API_VERSIONS_KEY, API_VERSIONS_VERSION);
    wire_api_versions_request_encode(&link->writer, API_VERSIONS_VERSION, &in);
    e = cli_link_finish(link, &r, report);
    if (e != E_OK)
        return e;
    if (wire_api_versions_response_decode(&r, API_VERSIONS_VERSION, &link->arena, &out) != E_OK ||
        out.error_code != WIRE_ERROR_NONE)
        return cli_link_broken(link, report);
    for (int32_t i = 0; i < out.api_keys_count; i++) {
        int16_t key = out.api_keys[i].api_key;

        if (key >= 0 && key < APIS_MAX)
            link->versions[key] =
                (struct versions){out.api_keys[i].min_version, out.api_keys[i].max_version};
    }
    return E_OK;
}

static enum err open_at(const struct cli *cli, const char *host, const char *port,
                        struct cli_link **link_out, struct report *report)
{
    struct cli_link *link = mem_must_alloc(sizeof(*link));
    enum err e;

    link->cli = cli;
    link->fd = -1;
    arena_init(&link->arena, ARENA_MAX);
    buf_init(&link->out, FRAME_MAX);
    e = connect_to(link, host, port, report);
    if (e == E_OK)
        e = versions_ask(link, report);
    if (e != E_OK) {
        cli_link_close(link);
        return e;
    }
    *link_out = link;
    return E_OK;
}

enum err cli_link_open_at(const struct cli *cli, struct slice host, int32_t port,
                          struct cli_link **link_out, struct report *report)
{
    char host_text[HOST_MAX];
    char port_text[PORT_SIZE];

    slice_to_text(host, host_text, sizeof(host_text));
    snprintf(port_text, sizeof(port_text), "%d", (int)port);
    return open_at(cli, host_text, port_text, link_out, report);
}

/* "host:port", "[::1]:9092" or "host". False: none of them. */
static bool address_cut(struct slice text, char host_out[HOST_MAX], char port_out[PORT_SIZE])
{
    size_t colon = text.size;
    struct slice host;
    int64_t port = 9092;

    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == ':')
            colon = i;
    }
    if (colon < text.size && text.at[text.size - 1] != ']') {
        struct slice rest = slice_of(text.at + colon + 1, text.size - colon - 1);

        if (parse_i64(rest, &port) != E_OK || port < 1 || port > UINT16_MAX)
            return false;
    } else {
        colon = text.size;
    }
    host = slice_of(text.at, colon);
    if (host.size > 2 && host.at[0] == '[' && host.at[host.size - 1] == ']')
        host = slice_of(host.at + 1, host.size - 2);
    if (host.size == 0 || host.size >= HOST_MAX)
        return false;
    slice_to_text(host, host_out, HOST_MAX);
    snprintf(port_out, PORT_SIZE, "%d", (int)port);
    return true;
}

enum err cli_link_open(const struct cli *cli, struct cli_link **link_out, struct report *report)
{
    struct slice rest = slice_of_text(cli->broker);
    enum err e = E_INVAL;

    while (rest.size > 0) {
        char host[HOST_MAX];
        char port[PORT_SIZE];
        size_t size = 0;

        while (size < rest.size && rest.at[size] != ',')
            size++;
        if (!address_cut(slice_of(rest.at, size), host, port)) {
            report_set(report, "--broker %s: must be HOST:PORT, or several with commas",
                       cli->broker);
            return E_INVAL;
        }
        e = open_at(cli, host, port, link_out, report);
        if (e == E_OK)
            return E_OK;
        size += size < rest.size;
        rest = slice_of(rest.at + size, rest.size - size);
    }
    return e;
}

void cli_link_close(struct cli_link *link)
{
    if (link == NULL)
        return;
    if (link->fd >= 0)
        close(link->fd);
    arena_release(&link->arena);
    buf_release(&link->out);
    mem_free(link);
}
