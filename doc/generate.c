/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Built and run once: the manual's parts that are in tables, and the shells' completions.
 *
 *   generate man TEMPLATE       the template, with the lines @VERBS@, @OPTIONS@ and @KEYS@ replaced
 *   generate bash|zsh|fish      a completion script
 */
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "verbs.h"

/* Of the word that begins at i, as it will be written. */
static size_t word_width(struct span text, size_t i)
{
    size_t width = 0;

    for (; i < text.n && text.p[i] != ' ' && text.p[i] != '\n'; i++)
        width += text.p[i] == '-' || text.p[i] == '\\' ? 2 : 1;
    return width;
}

/* Text for man(7): nothing in it is an escape or, at a line's start, a request. Long lines go on in
 * the next one. */
static void put_roff(struct span text)
{
    enum { WIDTH = 78 };
    size_t column = 0;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c == ' ' && column + word_width(text, i + 1) >= WIDTH)
            c = '\n';
        if (column == 0 && (c == '.' || c == '\''))
            (void)fputs("\\&", stdout);
        if (c == '\\')
            (void)fputs("\\e", stdout);
        else if (c == '-')
            (void)fputs("\\-", stdout);
        else
            (void)putchar(c);
        column = c == '\n' ? 0 : column + 1 + (c == '-');
    }
}

static void put_roff_str(const char *text)
{
    put_roff(span_str(text));
}

/* "-f, --force" or "--root=DIR", the argument in italics. */
static void put_roff_option(const struct option_doc *option)
{
    (void)fputs("\\fB", stdout);
    if (option->letter[0]) {
        put_roff_str(option->letter);
        if (option->name[0])
            (void)fputs("\\fR, \\fB", stdout);
    }
    put_roff_str(option->name);
    (void)fputs("\\fR", stdout);
    if (option->argument[0]) {
        (void)fputs(option->name[0] ? "=\\fI" : " \\fI", stdout);
        put_roff_str(option->argument);
        (void)fputs("\\fR", stdout);
    }
}

static void put_roff_details(const char *details)
{
    struct details_cursor cursor = { .rest = span_str(details) };
    struct option_doc option;
    struct span text;
    bool list = false;

    for (;;) {
        switch (details_next(&cursor, &option, &text)) {
        case DETAILS_OPTION:
            printf(list ? "" : ".RS\n");
            list = true;
            printf(".TP\n");
            put_roff_option(&option);
            printf("\n");
            put_roff_str(option.text);
            printf("\n");
            break;
        case DETAILS_TEXT:
            printf(list ? ".RE\n.IP\n" : ".IP\n");
            list = false;
            put_roff(text);
            printf("\n");
            break;
        case DETAILS_END:
        default:
            printf(list ? ".RE\n" : "");
            return;
        }
    }
}

static void put_verbs(void)
{
    for (size_t i = 0; i < n_verbs; i++) {
        const struct verb *verb = verbs[i];

        printf(".TP\n\\fB%s\\fR", verb->name);
        if (verb->arguments[0]) {
            (void)putchar(' ');
            put_roff_str(verb->arguments);
        }
        printf("\n");
        put_roff_str(verb->summary);
        printf(".\n");
        if (verb->details)
            put_roff_details(verb->details);
    }
}

static void put_options(void)
{
    struct details_cursor cursor = { .rest = span_str(global_options) };
    struct option_doc option;
    struct span text;

    while (details_next(&cursor, &option, &text) == DETAILS_OPTION) {
        printf(".TP\n");
        put_roff_option(&option);
        printf("\n");
        put_roff_str(option.text);
        printf("\n");
    }
}

static void put_keys(void)
{
    static const char *const types[] = {
        [CONFIG_STRING] = "a word",
        [CONFIG_BOOL] = "0 or 1",
        [CONFIG_COUNT] = "a number",
        [CONFIG_SIZE] = "a size",
    };

    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];

        printf(".TP\n\\fB%s\\fR=\\fI", key->name);
        put_roff_str(types[key->type]);
        printf("\\fR\n");
        put_roff_str(key->doc);
        printf("\n.IP\nThe default is\n");
        put_roff_str(key->fallback[0] ? key->fallback : "empty");
        if ((key->type == CONFIG_COUNT || key->type == CONFIG_SIZE) && key->max != 0)
            printf("; from %llu to %llu", (unsigned long long)key->min,
                   (unsigned long long)key->max);
        printf(".\n");
    }
}

/* A line of the template, in which @VERSION@ may stand once. */
static void put_line(const char *line)
{
    static const char mark[] = "@VERSION@";
    const char *found = strstr(line, mark);

    if (found)
        printf("%.*s%s%s", (int)(found - line), line, KDUMP_VERSION, found + sizeof(mark) - 1);
    else
        (void)fputs(line, stdout);
}

static int put_template(const char *path)
{
    FILE *file = fopen(path, "re");
    char line[1024];

    if (!file) {
        (void)fprintf(stderr, "cannot open %s\n", path);
        return EXIT_FAILURE;
    }
    while (fgets(line, sizeof(line), file)) {
        if (strcmp(line, "@VERBS@\n") == 0)
            put_verbs();
        else if (strcmp(line, "@OPTIONS@\n") == 0)
            put_options();
        else if (strcmp(line, "@KEYS@\n") == 0)
            put_keys();
        else
            put_line(line);
    }
    return fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    int r = EXIT_FAILURE;

    if (argc == 3 && strcmp(argv[1], "man") == 0)
        r = put_template(argv[2]);
    else if (argc == 2)
        r = put_completion(argv[1]);
    if (fflush(stdout) != 0 || ferror(stdout))
        r = EXIT_FAILURE;
    return r;
}
