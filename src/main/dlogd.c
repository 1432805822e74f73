#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/reference.h"
#include "main/node.h"
#include "os/dir.h"
#include "os/os.h"
#include "os/process.h"
#include "trace/trace.h"

/*
 * dlogd [FILE.properties] [--set name=value]...
 *
 * Exit codes: 0 done, 1 failed, 2 usage or a bad setting.
 */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, TEXT_MAX = 256 * 1024 };

static const char USAGE[] =
    "usage: dlogd [FILE.properties] [--set name=value]...\n"
    "       dlogd --help | --settings | --version\n"
    "\n"
    "Starts a DistributedLog broker; needs no configuration. Settings come from the\n"
    "file, then from the environment (DLOG_LOG_RETENTION_MS is log.retention.ms),\n"
    "then from --set. --settings lists all of them.\n";

static void say(enum os_stream stream, const char *text)
{
    os_print(stream, slice_of_text(text));
}

/* "dlogd: TEXT". */
static int fail(const char *text, int code)
{
    say(OS_STDERR, "dlogd: ");
    say(OS_STDERR, text);
    say(OS_STDERR, "\n");
    return code;
}

static void trace_write(void *ctx, const char *line, size_t size)
{
    os_print(OS_STDERR, slice_of(line, size));
}

static int64_t trace_wall_ms(void *ctx)
{
    return os_wall_ms(ctx);
}

/* Read FILE, which is DIR/NAME, into the settings. */
static enum err file_load(struct os *os, const char *path, struct config *config,
                          struct report *report)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    char folder[NODE_DATA_PATH_SIZE];
    struct os_dir *dir = NULL;
    struct buf text;
    enum err e;

    buf_init(&text, CONFIG_FILE_SIZE_MAX);
    slice_to_text(slash == NULL ? slice_of_text(".") : slice_of(path, (size_t)(slash - path) + 1),
                  folder, sizeof(folder));
    e = os_dir_open(os, folder, false, &dir);
    if (e == E_OK)
        e = os_dir_read_file(dir, name, &text);
    if (e != E_OK)
        report_set(report, "read %s: %s", path, err_text(e));
    else
        e = config_parse_properties(config, buf_slice(&text), path, report);
    buf_release(&text);
    os_dir_close(dir);
    return e;
}

/* Arguments and environment into settings. */
static enum err settings_load(struct os *os, char **argv, char **envp, struct config *config,
                              struct report *report)
{
    const char *file = NULL;
    enum err e = E_OK;

    for (int i = 1; e == E_OK && argv[i] != NULL; i++) {
        if (strcmp(argv[i], "--set") == 0 && argv[i + 1] != NULL) {
            e = config_set_argument(config, slice_of_text(argv[++i]), report);
        } else if (strncmp(argv[i], "--set=", 6) == 0) {
            e = config_set_argument(config, slice_of_text(argv[i] + 6), report);
        } else if (argv[i][0] == '-' || file != NULL) {
            report_set(report, "unexpected argument '%s'; see dlogd --help", argv[i]);
            e = E_INVAL;
        } else {
            file = argv[i];
            e = file_load(os, file, config, report);
        }
    }
    for (size_t i = 0; e == E_OK && envp[i] != NULL; i++)
        e = config_set_env(config, slice_of_text(envp[i]), report);
    if (e == E_OK)
        e = config_check(config, report);
    return e;
}

/* The dlog beside this dlogd, called as this dlogd was called. */
static void client_name(const char *program, char *name_out, size_t size)
{
    const char *slash = strrchr(program, '/');
    struct slice folder = slice_of(program, slash == NULL ? 0 : (size_t)(slash - program) + 1);

    if (folder.size + sizeof("dlog") > size)
        folder.size = 0;
    slice_to_text(folder, name_out, size);
    memcpy(name_out + folder.size, "dlog", sizeof("dlog"));
}

static void on_ready(void *ctx, struct node *node)
{
    char client[NODE_DATA_PATH_SIZE];
    struct buf text;

    client_name(ctx, client, sizeof(client));
    buf_init(&text, TEXT_MAX);
    if (node_describe(node, client, &text) == E_OK)
        os_print(OS_STDOUT, buf_slice(&text));
    buf_release(&text);
}

static int run(struct os *os, struct config *config, struct trace *trace, const char *data_default,
               char *program)
{
    struct report report = {0};
    struct node_options options = {
        .os = os,
        .config = config,
        .trace = trace,
        .data_default = data_default,
        .on_ready = on_ready,
        .ctx = program,
    };
    struct node *node = NULL;
    enum err e;

    os_stop_signals_block();
    e = node_open(&options, &node, &report);
    if (e != E_OK)
        return fail(report.text, EXIT_FAILED);
    e = node_start(node, &report);
    if (e != E_OK)
        return fail(report.text, EXIT_FAILED); /* threads run: the process ends without closing */
    os_stop_signal_wait();
    node_stop(node);
    node_wait(node);
    node_close(node);
    return EXIT_DONE;
}

static const char *env_find(char **envp, const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; envp[i] != NULL; i++) {
        if (strncmp(envp[i], name, size) == 0 && envp[i][size] == '=')
            return envp[i] + size + 1;
    }
    return NULL;
}

static int settings_print(void)
{
    struct buf text;
    enum err e;

    buf_init(&text, TEXT_MAX);
    e = config_print_help(&text);
    if (e == E_OK)
        os_print(OS_STDOUT, buf_slice(&text));
    buf_release(&text);
    return e == E_OK ? EXIT_DONE : EXIT_FAILED;
}

static enum err levels_set(struct trace *trace, const struct config *config, struct report *report)
{
    const char *components = config_text(config, CONFIG_TRACE_COMPONENTS);
    enum err e = E_OK;

    trace_set_level(trace, (enum trace_level)config_choice(config, CONFIG_TRACE_LEVEL));
    if (components != NULL)
        e = trace_set_levels(trace, slice_of_text(components), report);
    if (e != E_OK)
        report_prefix(report, "setting trace.component.levels");
    return e;
}

static int start(struct os *os, char **argv, char **envp)
{
    struct report report = {0};
    struct trace_outside outside = {.write = trace_write, .wall_ms = trace_wall_ms, .ctx = os};
    struct config *config = config_new();
    const char *data_default = env_find(envp, "STATE_DIRECTORY");
    struct trace *trace;
    int code;

    if (config == NULL)
        return fail("out of memory", EXIT_FAILED);
    if (settings_load(os, argv, envp, config, &report) != E_OK) {
        config_free(config);
        return fail(report.text, EXIT_USAGE);
    }
    trace = trace_new(outside, (enum trace_format)config_choice(config, CONFIG_TRACE_FORMAT));
    if (trace == NULL || levels_set(trace, config, &report) != E_OK) {
        trace_free(trace);
        config_free(config);
        return fail(report.text, EXIT_USAGE);
    }
    if (config_warning(config)[0] != '\0')
        trace_event(trace, TRACE_WARN, TRACE_CONFIG, "settings_ignored",
                    TRACE_FIELDS(trace_text("text", config_warning(config))));
    code = run(os, config, trace, data_default != NULL ? data_default : "./dlog-data", argv[0]);
    trace_free(trace);
    config_free(config);
    return code;
}

int main(int argc, char **argv, char **envp)
{
    struct os *os;
    int code;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        say(OS_STDOUT, USAGE);
        return EXIT_DONE;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        say(OS_STDOUT, "dlogd " DLOG_VERSION "\n");
        return EXIT_DONE;
    }
    if (argc == 2 && strcmp(argv[1], "--settings") == 0)
        return settings_print();
    if (os_open(&os) != E_OK)
        return fail("cannot start: out of memory", EXIT_FAILED);
    code = start(os, argv, envp);
    os_close(os);
    return code;
}
