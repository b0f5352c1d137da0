/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Completion scripts from the verb table. */
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "verbs.h"

static void put_quoted(const char *text, const char *more_escapes)
{
    for (; *text; text++) {
        if (*text == '\'')
            (void)fputs("'\\'", stdout);
        else if (strchr(more_escapes, *text))
            (void)putchar('\\');
        (void)putchar(*text);
    }
}

/* What a shell asks for the names of the kdump folder's reports; only root sees any. */
#define REPORT_NAMES "kdump-steamos -q list 2>/dev/null | grep -o 'steamos-[^ ]*\\.zip'"

/* Verbs that are given files, or reports by their names. */
static bool takes_files(const struct verb *verb)
{
    return strstr(verb->arguments, "SOURCE") || strstr(verb->arguments, "REPORT");
}

static bool next_option(struct details_cursor *cursor, struct option_doc *option)
{
    struct span text;
    enum details_kind kind;

    do
        kind = details_next(cursor, option, &text);
    while (kind == DETAILS_TEXT);
    return kind == DETAILS_OPTION;
}

static struct details_cursor start(const char *details)
{
    return (struct details_cursor){ .rest = span_str(details ? details : "") };
}

static void put_bash_options(const char *details)
{
    struct details_cursor cursor = start(details);
    struct option_doc option;

    while (next_option(&cursor, &option))
        printf("%s%s%s%s ", option.letter, option.letter[0] && option.name[0] ? " " : "",
               option.name, option.name[0] && option.argument[0] ? "=" : "");
}

static void put_bash(void)
{
    printf("# bash completion for kdump-steamos(8); made from its verb table\n"
           "_kdump_steamos() {\n"
           "\tlocal cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
           "\tlocal word verb= options= files= i\n"
           "\tCOMPREPLY=()\n"
           "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
           "\t\tword=${COMP_WORDS[i]}\n"
           "\t\tcase $word in\n"
           "\t\t--root|--config|=) [[ ${COMP_WORDS[i+1]-} == = ]] || ((i++)) ;;\n"
           "\t\t-*) ;;\n"
           "\t\t*) verb=$word; break ;;\n"
           "\t\tesac\n"
           "\tdone\n"
           "\tcase $verb in\n"
           "\t'') options='");
    put_bash_options(global_options);
    for (size_t i = 0; i < n_verbs; i++)
        printf("%s%s", verbs[i]->name, i + 1 < n_verbs ? " " : "' ;;\n");
    for (size_t i = 0; i < n_verbs; i++) {
        printf("\t%s) options='", verbs[i]->name);
        put_bash_options(verbs[i]->details);
        printf("--help'%s ;;\n", takes_files(verbs[i]) ? " files=1" : "");
    }
    printf("\t*) return ;;\n"
           "\tesac\n"
           "\t[[ $cur != = ]] || cur=\n"
           "\tif [[ $previous == -o || $previous == = || ${COMP_WORDS[COMP_CWORD]} == = ]]; then\n"
           "\t\toptions= files=1\n"
           "\telif [[ $files && $cur != -* && $cur != */* ]]; then\n"
           "\t\toptions=$(" REPORT_NAMES ")\n"
           "\tfi\n"
           "\tif [[ $cur == -* || ! $files && $cur != */* ]]; then\n"
           "\t\tmapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
           "\telse\n"
           "\t\tcompopt -o filenames 2>/dev/null\n"
           "\t\tmapfile -t COMPREPLY < <(compgen -f -W \"$options\" -- \"$cur\")\n"
           "\tfi\n"
           "\t[[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace "
           "2>/dev/null\n"
           "}\n"
           "complete -F _kdump_steamos kdump-steamos\n");
}

static void put_zsh_options(const char *details, const char *indent)
{
    static const struct {
        const char *argument, *action;
    } actions[] = { { "FILE", "_files" }, { "DIR", "_directories" } };
    struct details_cursor cursor = start(details);
    struct option_doc option;

    while (next_option(&cursor, &option)) {
        const char *both[] = { option.letter, option.name };

        for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
            if (!both[i][0])
                continue;
            printf("%s'%s%s[", indent, both[i], option.argument[0] && i == 1 ? "=" : "");
            put_quoted(option.text, "[]:\\");
            printf("]");
            for (size_t k = 0; k < ARRAY_SIZE(actions) && option.argument[0]; k++)
                if (strcmp(option.argument, actions[k].argument) == 0)
                    printf(":%s:%s", option.argument, actions[k].action);
            printf("' \\\n");
        }
    }
}

static void put_zsh(void)
{
    printf("#compdef kdump-steamos\n"
           "# made from the verb table of kdump-steamos(8)\n"
           "_kdump_steamos_reports() {\n"
           "\tlocal -a names\n"
           "\tnames=(${(f)\"$(" REPORT_NAMES ")\"})\n"
           "\tcompadd -a names\n"
           "\t_files\n"
           "}\n"
           "local -a verbs\nlocal line state\nverbs=(\n");
    for (size_t i = 0; i < n_verbs; i++) {
        printf("\t'%s:", verbs[i]->name);
        put_quoted(verbs[i]->summary, "\\");
        printf("'\n");
    }
    printf(")\n_arguments -C \\\n");
    put_zsh_options(global_options, "\t");
    printf("\t'1:verb:->verb' \\\n\t'*::argument:->argument' && return 0\n"
           "case $state in\n"
           "verb) _describe verb verbs ;;\n"
           "argument)\n\tcase $words[1] in\n");
    for (size_t i = 0; i < n_verbs; i++) {
        printf("\t%s) _arguments \\\n", verbs[i]->name);
        put_zsh_options(verbs[i]->details, "\t\t");
        printf("\t\t'--help[the help of this verb]'%s ;;\n",
               takes_files(verbs[i]) ? " '*:report:_kdump_steamos_reports'" : "");
    }
    printf("\tesac ;;\nesac\n");
}

static void put_fish_options(const char *details, const char *condition)
{
    struct details_cursor cursor = start(details);
    struct option_doc option;

    while (next_option(&cursor, &option)) {
        printf("complete -c kdump-steamos -n '%s'", condition);
        if (option.letter[0])
            printf(" -s %s", option.letter + 1);
        if (option.name[0])
            printf(" -l %s", option.name + 2);
        if (option.argument[0])
            printf(" -r -F");
        printf(" -d '");
        put_quoted(option.text, "\\");
        printf("'\n");
    }
}

static void put_fish(void)
{
    printf("# fish completion for kdump-steamos(8); made from its verb table\n"
           "function __kdump_steamos_is -d 'whether this is the verb; \"\": there is none yet'\n"
           "    set -l words (commandline -opc)\n"
           "    set -e words[1]\n"
           "    set -l verb ''\n"
           "    set -l value no\n"
           "    for word in $words\n"
           "        if test $value = yes\n"
           "            set value no\n"
           "        else if contains -- $word --root --config\n"
           "            set value yes\n"
           "        else if not string match -q -- '-*' $word\n"
           "            set verb $word\n"
           "            break\n"
           "        end\n"
           "    end\n"
           "    test \"$verb\" = \"$argv[1]\"\n"
           "end\n"
           "complete -c kdump-steamos -f\n");
    put_fish_options(global_options, "__kdump_steamos_is \"\"");
    for (size_t i = 0; i < n_verbs; i++) {
        char condition[80];

        printf("complete -c kdump-steamos -n '__kdump_steamos_is \"\"' -a %s -d '",
               verbs[i]->name);
        put_quoted(verbs[i]->summary, "\\");
        printf("'\n");
        (void)snprintf(condition, sizeof(condition), "__kdump_steamos_is %s", verbs[i]->name);
        put_fish_options(verbs[i]->details, condition);
        printf("complete -c kdump-steamos -n '%s' -l help -d 'the help of this verb'\n", condition);
        if (takes_files(verbs[i]))
            printf("complete -c kdump-steamos -n '%s' -F -a \"(" REPORT_NAMES ")\"\n", condition);
    }
}

int put_completion(const char *shell)
{
    static const struct {
        const char *name;
        void (*put)(void);
    } shells[] = { { "bash", put_bash }, { "zsh", put_zsh }, { "fish", put_fish } };

    for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
        if (strcmp(shell, shells[i].name) == 0) {
            shells[i].put();
            return EXIT_SUCCESS;
        }
    (void)fprintf(stderr, "there is no shell %s\n", shell);
    return EXIT_FAILURE;
}
