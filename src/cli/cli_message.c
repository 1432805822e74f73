#include "cli/cli_message.h"

#include "cli/cli_record.h"

enum { HEADERS_MAX = 100000, SAMPLE_MAX = 1 << 20 };

static const char FORMAT_DEFAULT[] = "%v\\n";

void cli_message_printing_init(struct cli_message_printing *p)
{
    *p = (struct cli_message_printing){.format = FORMAT_DEFAULT};
    vec_init(&p->headers, sizeof(struct cli_header), HEADERS_MAX);
}

void cli_message_printing_release(struct cli_message_printing *p)
{
    vec_release(&p->headers);
}

enum err cli_message_printing_read(const struct cli_args *args, struct cli_message_printing *p,
                                   struct report *report)
{
    const char *format = cli_args_get(args, "format");
    struct cli_record sample = {.topic = ""};
    struct buf out;

    p->is_json = cli_args_has(args, "json");
    if (format == NULL)
        return E_OK;
    buf_init(&out, SAMPLE_MAX);
    if (p->is_json)
        report_set(report, "--json and --format exclude each other");
    else if (cli_record_format(&sample, format, &out) == E_INVAL)
        report_set(report, "--format %s: unknown %% or \\ sequence; see dlog consume --help",
                   format);
    buf_release(&out);
    p->format = format;
    return report->text[0] == 0 ? E_OK : E_INVAL;
}

static enum err headers_take(struct cli_message_printing *p, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    struct cli_header header;
    const char *name;
    const void *value;
    size_t size;
    enum err e = E_OK;

    vec_clear(&p->headers);
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return E_OK;
    for (size_t i = 0; e == E_OK && rd_kafka_header_get_all(headers, i, &name, &value, &size) == 0;
         i++) {
        header = (struct cli_header){.name = name, .value = slice_of(value, size)};
        e = vec_push(&p->headers, &header);
    }
    return e;
}

enum err cli_message_print(const rd_kafka_message_t *message, struct cli_message_printing *p,
                           struct buf *out)
{
    rd_kafka_timestamp_type_t type;
    struct cli_record record = {
        .topic = rd_kafka_topic_name(message->rkt),
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_ms = rd_kafka_message_timestamp(message, &type),
        .key = slice_of(message->key, message->key_len),
        .value = slice_of(message->payload, message->len),
    };
    enum err e = headers_take(p, message);

    record.headers = p->headers.at;
    record.header_count = p->headers.count;
    if (e != E_OK)
        return e;
    return p->is_json ? cli_record_json(&record, out) : cli_record_format(&record, p->format, out);
}
