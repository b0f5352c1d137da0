/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse/grub_defaults.h"

static const char note[] =
    "# For the next boots, by kdump-steamos; \"kdump-steamos disarm\" takes it out.";
static const char our_head[] = "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT ";
static const char our_tail[] = "\" # kdump-steamos";

/* ---- what the shell makes of it (POSIX, XCU 2.2 to 2.9; += as bash has it) ---- */

enum { VAR_COMMON, VAR_REGULAR, N_VARS };

static const char *const var_names[N_VARS] = { "GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT" };

struct shell {
    struct span rest;
    struct grub_value *vars[N_VARS];
    struct grub_value pending[N_VARS]; /* of the command being read; given: there is one */
    bool open;
};

static void put(struct grub_value *v, char c)
{
    if (v->n + 1 >= sizeof(v->text) || c == '\0') {
        v->opaque = true;
        return;
    }
    v->text[v->n++] = c;
    v->text[v->n] = '\0';
}

static void put_value(struct grub_value *v, const struct grub_value *from)
{
    size_t n = from->n;

    for (size_t i = 0; i < n; i++)
        put(v, from->text[i]);
    v->opaque |= from->opaque;
}

static bool is_name_byte(char c, bool first)
{
    return byte_is_alpha(c) || c == '_' || (!first && byte_is_digit(c));
}

static struct span take_name(struct span *s)
{
    size_t n = 0;

    while (n < s->n && is_name_byte(s->p[n], n == 0))
        n++;
    return span_take(s, n);
}

static int find_var(struct span name)
{
    for (int i = 0; i < N_VARS; i++)
        if (span_eq(name, var_names[i]))
            return i;
    return -1;
}

static char take_byte(struct shell *sh)
{
    return *span_take(&sh->rest, 1).p;
}

/* Takes all up to the closing byte, which is not counted inside of quotes and behind backslashes.
 * Nested ones are counted where they have an opening byte. */
static void skip_to(struct shell *sh, char opening, char closing)
{
    unsigned depth = 1;
    char quote = '\0';

    while (sh->rest.n > 0) {
        char c = take_byte(sh);

        if (c == '\\' && quote != '\'' && sh->rest.n > 0)
            (void)take_byte(sh);
        else if (quote != '\0')
            quote = c == quote ? '\0' : quote;
        else if (c == closing && --depth == 0)
            return;
        else if (c == opening && opening != closing)
            depth++;
        else if (c == '\'' || c == '"')
            quote = c;
    }
    sh->open = true;
}

/* Behind a '$'. Our two variables are known; nothing else is. */
static void expand(struct shell *sh, struct grub_value *v)
{
    struct span *rest = &sh->rest, before = *rest, name;
    bool braces = span_skip(rest, "{");
    int var;

    if (!braces && span_skip(rest, "(")) {
        v->opaque = true;
        skip_to(sh, '(', ')');
        return;
    }
    name = take_name(rest);
    var = find_var(name);
    if (braces && (var < 0 || !span_skip(rest, "}"))) {
        v->opaque = true;
        *rest = before;
        (void)span_take(rest, 1);
        skip_to(sh, '{', '}');
        return;
    }
    if (var >= 0) {
        put_value(v, sh->pending[var].given ? &sh->pending[var] : sh->vars[var]);
        return;
    }
    if (name.n == 0 && !span_starts(*rest, "$") && !span_starts(*rest, "?") &&
        !span_starts(*rest, "!") && !span_starts(*rest, "#") && !span_starts(*rest, "*") &&
        !span_starts(*rest, "@") && !span_starts(*rest, "-") && !span_starts(*rest, "'") &&
        !span_starts(*rest, "\"") && !(rest->n > 0 && byte_is_digit(rest->p[0]))) {
        put(v, '$');
        return;
    }
    v->opaque = true;
    if (name.n == 0 && rest->n > 0 && rest->p[0] != '\'' && rest->p[0] != '"')
        (void)take_byte(sh);
}

static void take_single_quoted(struct shell *sh, struct grub_value *v)
{
    while (sh->rest.n > 0) {
        char c = take_byte(sh);

        if (c == '\'')
            return;
        put(v, c);
    }
    sh->open = true;
}

/* Behind a backslash. */
static void take_escaped(struct shell *sh, bool quoted, struct grub_value *v)
{
    char c;

    if (sh->rest.n == 0) {
        sh->open = true;
        return;
    }
    c = take_byte(sh);
    if (c == '\n') {
        sh->open = sh->rest.n == 0;
        return;
    }
    if (quoted && c != '$' && c != '`' && c != '"' && c != '\\')
        put(v, '\\');
    put(v, c);
}

/* A byte that is no quote, and what belongs to it. */
static void take_plain(struct shell *sh, char c, bool quoted, struct grub_value *v)
{
    if (c == '\\') {
        take_escaped(sh, quoted, v);
    } else if (c == '$') {
        expand(sh, v);
    } else if (c == '`') {
        v->opaque = true;
        skip_to(sh, '`', '`');
    } else {
        put(v, c);
    }
}

static void take_double_quoted(struct shell *sh, struct grub_value *v)
{
    while (sh->rest.n > 0) {
        char c = take_byte(sh);

        if (c == '"')
            return;
        take_plain(sh, c, true, v);
    }
    sh->open = true;
}

static bool ends_word(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == ';' || c == '&' || c == '|' || c == '(' ||
           c == ')' || c == '<' || c == '>';
}

/* The rest of a word, unquoted into v. */
static void take_word(struct shell *sh, struct grub_value *v)
{
    while (sh->rest.n > 0 && !ends_word(sh->rest.p[0])) {
        char c = take_byte(sh);

        if (c == '\'') {
            take_single_quoted(sh, v);
        } else if (c == '"') {
            take_double_quoted(sh, v);
        } else {
            take_plain(sh, c, false, v);
        }
    }
}

/* What stands before a command and is none: what follows may be an assignment. */
static bool is_prefix(const struct grub_value *word)
{
    static const char *const words[] = { "export", "readonly", "if",    "then", "elif", "else",
                                         "while",  "until",    "do",    "{",    "!",    "fi",
                                         "done",   "}",        "local", "" };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(word->text, words[i]) == 0)
            return true;
    return false;
}

static void begin_pending(struct shell *sh, int var, bool append, struct grub_value *v)
{
    *v = (struct grub_value){ .given = true };
    if (append)
        put_value(v, sh->pending[var].given ? &sh->pending[var] : sh->vars[var]);
}

/* A word where a command may begin. False when it was one: what stood before it was only its
 * environment. */
static bool take_command_word(struct shell *sh)
{
    struct span start = sh->rest;
    struct span name = take_name(&sh->rest);
    struct grub_value word = { 0 };
    bool append = name.n > 0 && span_skip(&sh->rest, "+=");
    bool assigns = append || (name.n > 0 && span_skip(&sh->rest, "="));
    int var = assigns ? find_var(name) : -1;

    if (!assigns)
        sh->rest = start;
    if (var >= 0)
        begin_pending(sh, var, append, &word);
    take_word(sh, &word);
    if (var >= 0)
        sh->pending[var] = word;
    return assigns || (!word.opaque && is_prefix(&word));
}

static void end_command(struct shell *sh, bool assigned)
{
    for (int i = 0; i < N_VARS; i++) {
        if (sh->pending[i].given && assigned)
            *sh->vars[i] = sh->pending[i];
        sh->pending[i] = (struct grub_value){ 0 };
    }
}

static void skip_comment(struct shell *sh)
{
    size_t n = span_find_byte(sh->rest, '\n');

    (void)span_take(&sh->rest, MIN(n, sh->rest.n));
}

void grub_defaults_read(struct span text, struct grub_defaults *d)
{
    struct shell sh = { .rest = text, .vars = { &d->common, &d->regular } };
    bool at_command = true;

    while (sh.rest.n > 0) {
        char c = sh.rest.p[0];

        if (c == ' ' || c == '\t') {
            (void)take_byte(&sh);
        } else if (span_starts(sh.rest, "\\\n")) {
            (void)span_take(&sh.rest, 2);
            sh.open = sh.rest.n == 0;
        } else if (c == '#') {
            skip_comment(&sh);
        } else if (c == '<' || c == '>') {
            (void)take_byte(&sh);
            at_command = false;
        } else if (ends_word(c)) {
            (void)take_byte(&sh);
            end_command(&sh, at_command);
            at_command = true;
        } else if (at_command) {
            at_command = take_command_word(&sh);
        } else {
            struct grub_value ignored = { 0 };

            take_word(&sh, &ignored);
        }
    }
    end_command(&sh, at_command);
    d->open = sh.open;
}

/* ---- our line ---- */

static struct span without_cr(struct span line)
{
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

static bool is_param_byte(char c)
{
    return byte_is_alnum(c) || (c != '\0' && strchr(" _.,:=@/+-", c));
}

static bool are_params(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_param_byte(s.p[i]))
            return false;
    return s.n > 0 && s.n <= GRUB_PARAMS_MAX;
}

static bool is_our_line(struct span line, struct span *params)
{
    struct span s = without_cr(line);

    if (!span_skip(&s, our_head) || !span_ends(s, our_tail))
        return false;
    s.n -= strlen(our_tail);
    if (!are_params(s))
        return false;
    *params = s;
    return true;
}

bool grub_defaults_ours(struct span text, struct span *params)
{
    struct span line;
    bool found = false;

    while (span_next_line(&text, &line))
        found |= is_our_line(line, params);
    return found;
}

/* The text without our lines. What we put behind a text without a newline has none either: then the
 * newline in front of it is ours. */
static int write_without_ours(struct span text, struct strbuf *out)
{
    size_t before = out->n;
    bool ours_is_last = false;
    struct span rest = text, line, params;

    while (span_next_line(&rest, &line)) {
        size_t n = line.n;

        if (line.p + line.n < text.p + text.n)
            n++; /* its newline */
        ours_is_last = is_our_line(line, &params) && n == line.n;
        if (is_our_line(line, &params) || span_eq(without_cr(line), note))
            continue;
        (void)strbuf_append(out, line.p, n);
    }
    if (ours_is_last && !out->failed && out->n > before && out->p[out->n - 1] == '\n')
        out->p[--out->n] = '\0';
    return out->failed;
}

static int write_ours(struct span text, struct span params, struct strbuf *out)
{
    bool ended = text.n == 0 || span_ends(text, "\n");
    const char *newline = span_ends(text, "\r\n") ? "\r\n" : "\n";

    if (!ended)
        (void)strbuf_str(out, "\n");
    (void)strbuf_str(out, note);
    (void)strbuf_str(out, newline);
    (void)strbuf_str(out, our_head);
    (void)strbuf_span(out, params);
    (void)strbuf_str(out, our_tail);
    if (ended)
        (void)strbuf_str(out, newline);
    return out->failed;
}

int grub_defaults_edit(struct span text, struct span params, struct strbuf *out)
{
    _cleanup_strbuf_ struct strbuf bare = { 0 };
    struct grub_defaults *d;
    bool open;
    int r;

    if (params.n > 0 && !are_params(params))
        return -EINVAL;
    r = write_without_ours(text, &bare);
    if (r == 0)
        r = strbuf_span(out, strbuf_view(&bare));
    if (r < 0 || params.n == 0)
        return r;
    d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    grub_defaults_read(strbuf_view(&bare), d);
    open = d->open;
    free(d);
    return open ? -EBADMSG : write_ours(strbuf_view(&bare), params, out);
}
