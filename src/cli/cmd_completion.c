#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"

/*
 * dlog completion: scripts that let a shell complete dlog, made from the table of commands.
 */

static const struct cli_option NO_OPTIONS[] = {{NULL, 0, NULL, NULL}};

/* What is said to a shell, without what it would take for more than text. */
static void plain(FILE *out, const char *text)
{
    for (; *text != 0; text++)
        fputc(strchr("'`$\\\"[]:", *text) != NULL ? ' ' : *text, out);
}

static void name_print(FILE *out, const struct cli_command *c)
{
    fprintf(out, "%s%s%s", c->noun != NULL ? c->noun : "", c->noun != NULL ? " " : "", c->verb);
}

static bool is_first_of_noun(size_t index)
{
    const char *noun = cli_command_at(index)->noun;

    for (size_t i = 0; noun != NULL && i < index; i++) {
        const struct cli_command *c = cli_command_at(i);

        if (c->noun != NULL && strcmp(c->noun, noun) == 0)
            return false;
    }
    return true;
}

/* ---- bash ---- */

static void options_print(FILE *out, const struct cli_option *options)
{
    for (; options->name != NULL; options++)
        fprintf(out, " --%s", options->name);
}

static void bash_print(FILE *out)
{
    fprintf(out, "# bash completion of dlog: source <(dlog completion bash)\n"
                 "_dlog() {\n"
                 "    local cur=${COMP_WORDS[COMP_CWORD]} words='' one=${COMP_WORDS[1]} "
                 "two=${COMP_WORDS[1]}\\ ${COMP_WORDS[2]}\n"
                 "    if [ \"$COMP_CWORD\" = 1 ]; then\n        words='");
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        if (is_first_of_noun(i))
            fprintf(out, "%s%s", i == 0 ? "" : " ",
                    cli_command_at(i)->noun != NULL ? cli_command_at(i)->noun
                                                    : cli_command_at(i)->verb);
    }
    fprintf(out, "'\n    elif [ \"$COMP_CWORD\" = 2 ] && [[ $cur != -* ]]; then\n"
                 "        case $one in\n");
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        const char *noun = cli_command_at(i)->noun;

        if (noun == NULL || !is_first_of_noun(i))
            continue;
        fprintf(out, "        %s) words='", noun);
        for (size_t k = 0; cli_command_at(k) != NULL; k++) {
            if (cli_command_at(k)->noun != NULL && strcmp(cli_command_at(k)->noun, noun) == 0)
                fprintf(out, "%s%s", k == i ? "" : " ", cli_command_at(k)->verb);
        }
        fprintf(out, "' ;;\n");
    }
    fprintf(out, "        esac\n    fi\n    if [[ $cur == -* ]]; then\n        words='");
    options_print(out, cli_global_options());
    fprintf(out, "'\n        case $two in\n");
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        fprintf(out, "        '");
        name_print(out, cli_command_at(i));
        fprintf(out, "'%s) words+='", cli_command_at(i)->noun == NULL ? "\\ *" : "");
        options_print(out, cli_command_at(i)->options);
        fprintf(out, "' ;;\n");
    }
    fprintf(out,
            "        esac\n    fi\n"
            "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
            "    [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
            "}\ncomplete -o filenames -F _dlog dlog\n");
}

/* ---- zsh ---- */

static void zsh_options(FILE *out, const struct cli_option *options)
{
    for (; options->name != NULL; options++) {
        fprintf(out, " '--%s%s[", options->name, options->argument != NULL ? "=" : "");
        plain(out, options->help);
        fprintf(out, "]%s%s%s'", options->argument != NULL ? ":" : "",
                options->argument != NULL ? "value" : "", options->argument != NULL ? ":" : "");
    }
}

static void zsh_words(FILE *out, const char *noun)
{
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        const struct cli_command *c = cli_command_at(i);

        if (noun == NULL ? !is_first_of_noun(i) : c->noun == NULL || strcmp(c->noun, noun) != 0)
            continue;
        fprintf(out, " '%s:", noun == NULL && c->noun != NULL ? c->noun : c->verb);
        plain(out, noun == NULL && c->noun != NULL ? c->noun : c->summary);
        fputc('\'', out);
    }
}

static void zsh_print(FILE *out)
{
    fprintf(out, "#compdef dlog\n"
                 "# zsh completion of dlog: dlog completion zsh > DIR/_dlog, with DIR in $fpath\n"
                 "_dlog() {\n    local -a choices\n"
                 "    if (( CURRENT == 2 )); then\n        choices=(");
    zsh_words(out, NULL);
    fprintf(out,
            ")\n        _describe command choices\n        return\n    fi\n"
            "    if (( CURRENT == 3 )); then\n        choices=()\n        case $words[2] in\n");
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        const char *noun = cli_command_at(i)->noun;

        if (noun == NULL || !is_first_of_noun(i))
            continue;
        fprintf(out, "        %s) choices=(", noun);
        zsh_words(out, noun);
        fprintf(out, ") ;;\n");
    }
    fprintf(out, "        esac\n        if (( $#choices )); then\n"
                 "            _describe command choices\n            return\n        fi\n    fi\n"
                 "    case \"$words[2] $words[3]\" in\n");
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        fprintf(out, "    ");
        if (cli_command_at(i)->noun != NULL)
            fprintf(out, "'%s %s'", cli_command_at(i)->noun, cli_command_at(i)->verb);
        else
            fprintf(out, "'%s '*", cli_command_at(i)->verb);
        fprintf(out, ") _arguments '*:file:_files'");
        zsh_options(out, cli_command_at(i)->options);
        zsh_options(out, cli_global_options());
        fprintf(out, " ;;\n");
    }
    fprintf(out, "    *) _files ;;\n    esac\n}\n_dlog \"$@\"\n");
}

/* ---- fish ---- */

static void fish_command(FILE *out, const struct cli_command *c)
{
    if (c->noun == NULL) {
        fprintf(out, "complete -c dlog -f -n __fish_use_subcommand -a %s -d '", c->verb);
    } else {
        fprintf(out, "complete -c dlog -f -n '__fish_seen_subcommand_from %s' -a %s -d '", c->noun,
                c->verb);
    }
    plain(out, c->summary);
    fprintf(out, "'\n");
    for (const struct cli_option *o = c->options; o->name != NULL; o++) {
        fprintf(out, "complete -c dlog -n '__fish_seen_subcommand_from %s", c->verb);
        if (c->noun != NULL)
            fprintf(out, "; and __fish_seen_subcommand_from %s", c->noun);
        fprintf(out, "' -l %s%s", o->name, o->argument != NULL ? " -r" : "");
        if (o->letter != 0)
            fprintf(out, " -s %c", o->letter);
        fprintf(out, " -d '");
        plain(out, o->help);
        fprintf(out, "'\n");
    }
}

static void fish_print(FILE *out)
{
    fprintf(out, "# fish completion of dlog: dlog completion fish | source\n");
    for (size_t i = 0; cli_command_at(i) != NULL; i++) {
        const struct cli_command *c = cli_command_at(i);

        if (c->noun != NULL && is_first_of_noun(i))
            fprintf(out, "complete -c dlog -f -n __fish_use_subcommand -a %s\n", c->noun);
        fish_command(out, c);
    }
    for (const struct cli_option *o = cli_global_options(); o->name != NULL; o++) {
        fprintf(out, "complete -c dlog -l %s%s -d '", o->name, o->argument != NULL ? " -r" : "");
        plain(out, o->help);
        fprintf(out, "'\n");
    }
}

static int run(struct cli *cli)
{
    const char *shell = cli_args_word(cli->args, 0);
    struct report report = {0};

    if (strcmp(shell, "bash") == 0) {
        bash_print(cli->out);
    } else if (strcmp(shell, "zsh") == 0) {
        zsh_print(cli->out);
    } else if (strcmp(shell, "fish") == 0) {
        fish_print(cli->out);
    } else {
        report_set(&report, "'%s' is none of bash, zsh and fish", shell);
        return cli_usage_error(cli, &report);
    }
    return CLI_DONE;
}

const struct cli_command cli_completion = {
    .verb = "completion",
    .arguments = "bash|zsh|fish",
    .words_min = 1,
    .words_max = 1,
    .summary = "print a script that lets a shell complete dlog",
    .notes = "  source <(dlog completion bash)\n"
             "  dlog completion zsh > ~/.zfunc/_dlog      # with ~/.zfunc in $fpath\n"
             "  dlog completion fish | source\n",
    .options = NO_OPTIONS,
    .run = run,
};
