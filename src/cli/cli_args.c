#include "cli/cli_args.h"

#include <getopt.h>
#include <string.h>

#include "base/parse.h"

enum { OPTIONS_MAX = 64 };

void cli_args_init(struct cli_args *args)
{
    args->read = 0;
    vec_init(&args->given, sizeof(struct cli_given), CLI_ARGS_MAX);
    vec_init(&args->words, sizeof(char *), CLI_ARGS_MAX);
}

void cli_args_release(struct cli_args *args)
{
    if (args == NULL)
        return;
    vec_release(&args->given);
    vec_release(&args->words);
}

/* The tables in the form of getopt_long. */
struct getopt_form {
    const struct cli_option *options[OPTIONS_MAX];
    struct option longs[OPTIONS_MAX + 1];
    char letters[2 * OPTIONS_MAX + 3];
    size_t count;
    size_t letters_size;
};

/* getopt_long answers OPTION_FIRST + index for long options and the letter for short ones. */
enum { OPTION_FIRST = 256 };

static void form_add(struct getopt_form *form, const struct cli_option *table)
{
    for (; table != NULL && table->name != NULL && form->count < OPTIONS_MAX; table++) {
        form->longs[form->count] = (struct option){
            .name = table->name,
            .has_arg = table->argument != NULL ? required_argument : no_argument,
            .val = OPTION_FIRST + (int)form->count,
        };
        form->options[form->count++] = table;
        if (table->letter == 0)
            continue;
        form->letters[form->letters_size++] = table->letter;
        if (table->argument != NULL)
            form->letters[form->letters_size++] = ':';
    }
}

static const struct cli_option *form_find(const struct getopt_form *form, int answer)
{
    if (answer >= OPTION_FIRST)
        return form->options[answer - OPTION_FIRST];
    for (size_t i = 0; i < form->count; i++) {
        if (form->options[i]->letter == answer)
            return form->options[i];
    }
    return NULL;
}

static enum err bad_option(const struct getopt_form *form, int answer, char **argv,
                           struct report *report)
{
    const char *text = optind > 0 ? argv[optind - 1] : "";
    const struct cli_option *option = form_find(form, optopt);

    if (answer == ':' && option != NULL)
        report_set(report, "option --%s needs a value: %s", option->name, option->argument);
    else if (option != NULL && option->argument == NULL && optopt >= OPTION_FIRST)
        report_set(report, "option --%s takes no value", option->name);
    else if (optopt > 0 && optopt < OPTION_FIRST)
        report_set(report, "unknown option -%c", optopt);
    else
        report_set(report, "unknown or ambiguous option %s", text);
    return E_INVAL;
}

enum err cli_args_read(struct cli_args *args, struct cli_args_tables tables, int argc, char **argv,
                       struct report *report)
{
    struct getopt_form form = {.letters_size = 0};
    enum err e = E_OK;
    int answer;

    if (tables.until_word)
        form.letters[form.letters_size++] = '+';
    form.letters[form.letters_size++] = ':';
    form_add(&form, tables.first);
    form_add(&form, tables.second);
    optind = 0; /* glibc: forget everything of an earlier run */
    opterr = 0;
    while (e == E_OK && (answer = getopt_long(argc, argv, form.letters, form.longs, NULL)) != -1) {
        struct cli_given given = {.option = form_find(&form, answer), .value = optarg};

        if (answer == '?' || answer == ':' || given.option == NULL)
            return bad_option(&form, answer, argv, report);
        if (given.option->argument == NULL)
            given.value = NULL;
        e = vec_push(&args->given, &given);
    }
    if (!tables.until_word) {
        for (; e == E_OK && optind < argc; optind++)
            e = vec_push(&args->words, &argv[optind]);
    }
    if (e != E_OK)
        report_set(report, "arguments: %s", err_text(e));
    else
        args->read = optind;
    return e;
}

int cli_args_word_count(const struct cli_args *args)
{
    return (int)args->words.count;
}

const char *cli_args_word(const struct cli_args *args, int index)
{
    return *(char *const *)vec_at(&args->words, (size_t)index);
}

bool cli_args_has(const struct cli_args *args, const char *name)
{
    for (size_t i = 0; i < args->given.count; i++) {
        const struct cli_given *given = vec_at(&args->given, i);

        if (strcmp(given->option->name, name) == 0)
            return true;
    }
    return false;
}

const char *cli_args_next(const struct cli_args *args, const char *name, size_t *at)
{
    while (*at < args->given.count) {
        const struct cli_given *given = vec_at(&args->given, (*at)++);

        if (strcmp(given->option->name, name) == 0)
            return given->value;
    }
    return NULL;
}

const char *cli_args_get(const struct cli_args *args, const char *name)
{
    const char *last = NULL;
    const char *value;
    size_t at = 0;

    while ((value = cli_args_next(args, name, &at)) != NULL)
        last = value;
    return last;
}

enum err cli_args_i64(const struct cli_args *args, const char *name, struct cli_range range,
                      int64_t *value_out, struct report *report)
{
    const char *text = cli_args_get(args, name);
    int64_t value;

    if (text == NULL)
        return E_OK;
    if (parse_i64(slice_of_text(text), &value) != E_OK || value < range.min || value > range.max) {
        report_set(report, "--%s %s: must be a number from %lld to %lld", name, text,
                   (long long)range.min, (long long)range.max);
        return E_INVAL;
    }
    *value_out = value;
    return E_OK;
}

enum err cli_args_bool(const struct cli_args *args, const char *name, bool *value_out,
                       struct report *report)
{
    const char *text = cli_args_get(args, name);

    if (text == NULL || parse_bool(slice_of_text(text), value_out) == E_OK)
        return E_OK;
    report_set(report, "--%s %s: must be true or false", name, text);
    return E_INVAL;
}

enum err cli_args_pair(const char *text, size_t size, char *name_out, const char **value_out)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text)
        return E_INVAL;
    if ((size_t)(equals - text) >= size)
        return E_TOO_BIG;
    slice_to_text(slice_of(text, (size_t)(equals - text)), name_out, size);
    *value_out = equals + 1;
    return E_OK;
}
