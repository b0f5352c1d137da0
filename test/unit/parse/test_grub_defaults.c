/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include "base/macro.h"
#include "parse/grub_defaults.h"

#define PARAMS "crashkernel=96M"
#define OURS                                                                          \
    "# For the next boots, by kdump-steamos; \"kdump-steamos disarm\" takes it out.\n" \
    "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=96M\" # kdump-steamos\n"

struct sample {
    const char *what, *text;
    const char *regular; /* GRUB_CMDLINE_LINUX_DEFAULT; NULL: not given, or not to be known */
    const char *common;
    bool open;
    bool bash; /* += is not POSIX */
};

static const struct sample samples[] = {
    { "Debian",
      "# If you change this file, run 'update-grub' afterwards to update\n"
      "# /boot/grub/grub.cfg.\n\n"
      "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\n"
      "GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\n"
      "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n\n"
      "#GRUB_BADRAM=\"0x01234567,0xfefefefe,0x89abcdef,0xefefefef\"\n"
      "#GRUB_TERMINAL=console\n",
      "quiet", "" },
    { "Debian with its current distributor",
      "GRUB_DISTRIBUTOR=`( . /etc/os-release; echo ${NAME:-Debian} ) 2>/dev/null || echo D`\n"
      "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\n",
      "quiet splash", NULL },
    { "Arch",
      "# GRUB boot loader configuration\n\nGRUB_DEFAULT=0\nGRUB_TIMEOUT=5\n"
      "GRUB_DISTRIBUTOR=\"Arch\"\nGRUB_CMDLINE_LINUX_DEFAULT=\"loglevel=3 quiet\"\n"
      "GRUB_CMDLINE_LINUX=\"\"\n\n# Preload both GPT and MBR modules\n"
      "GRUB_PRELOAD_MODULES=\"part_gpt part_msdos\"\nGRUB_SAVEDEFAULT='true'\n",
      "loglevel=3 quiet", "" },
    { "SteamOS",
      "GRUB_DEFAULT=0\nGRUB_TIMEOUT=0\nGRUB_DISTRIBUTOR=\"SteamOS\"\n"
      "GRUB_CMDLINE_LINUX_DEFAULT=\"log_buf_len=4M amd_iommu=off amdgpu.lockup_timeout=5000,10000,"
      "10000,5000 amdgpu.gttsize=8128 spi_amd.speed_dev=1 audit=0 fbcon=vc:4-6 fbcon=rotate:1\"\n"
      "GRUB_CMDLINE_LINUX=\"\"\nGRUB_GFXMODE=auto\nGRUB_STEAMENV='efi'\n",
      "log_buf_len=4M amd_iommu=off amdgpu.lockup_timeout=5000,10000,10000,5000 "
      "amdgpu.gttsize=8128 spi_amd.speed_dev=1 audit=0 fbcon=vc:4-6 fbcon=rotate:1",
      "" },
    { "Fedora",
      "GRUB_TIMEOUT=5\nGRUB_DISTRIBUTOR=\"$(sed 's, release .*$,,g' /etc/system-release)\"\n"
      "GRUB_DEFAULT=saved\nGRUB_DISABLE_SUBMENU=true\nGRUB_TERMINAL_OUTPUT=\"console\"\n"
      "GRUB_CMDLINE_LINUX=\"rd.lvm.lv=fedora/root rhgb quiet\"\nGRUB_ENABLE_BLSCFG=true\n",
      NULL, "rd.lvm.lv=fedora/root rhgb quiet" },
    { "nothing at all", "", NULL, NULL },
    { "only a newline", "\n", NULL, NULL },
    { "single quotes", "GRUB_CMDLINE_LINUX_DEFAULT='quiet \"a b\" $x \\'\n", "quiet \"a b\" $x \\",
      NULL },
    { "no quotes", "GRUB_CMDLINE_LINUX_DEFAULT=quiet\n", "quiet", NULL },
    { "a forgotten quote: splash is a command", "GRUB_CMDLINE_LINUX_DEFAULT=quiet splash\n", NULL,
      NULL },
    { "quotes of all kinds", "GRUB_CMDLINE_LINUX_DEFAULT=a' b '\"c \\\"d\\\" \\x\"\\ e\\'f\n",
      "a b c \"d\" \\x e'f", NULL },
    { "continued lines", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet \\\n splash \\\n loglevel=3\"\n",
      "quiet  splash  loglevel=3", NULL },
    { "a value of two lines", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\nsplash\"\n", "quiet\nsplash",
      NULL },
    { "continued outside of quotes", "GRUB_CMDLINE_LINUX_DEFAULT=qui\\\net\n", "quiet", NULL },
    { "the last one counts",
      "GRUB_CMDLINE_LINUX_DEFAULT=\"a\"\nGRUB_CMDLINE_LINUX_DEFAULT='b'\n"
      "#GRUB_CMDLINE_LINUX_DEFAULT=c\n",
      "b", NULL },
    { "appended", "GRUB_CMDLINE_LINUX_DEFAULT=\"a\"\nGRUB_CMDLINE_LINUX_DEFAULT+=\" b\"\n", "a b",
      NULL, .bash = true },
    { "of itself",
      "GRUB_CMDLINE_LINUX=x\nGRUB_CMDLINE_LINUX_DEFAULT=\"a\"\n"
      "GRUB_CMDLINE_LINUX_DEFAULT=\"${GRUB_CMDLINE_LINUX_DEFAULT} b $GRUB_CMDLINE_LINUX\"\n",
      "a b x", "x" },
    { "exported", "export GRUB_CMDLINE_LINUX_DEFAULT=\"a b\" GRUB_CMDLINE_LINUX=c\n", "a b", "c" },
    { "two on a line", "A=1 GRUB_CMDLINE_LINUX=a; GRUB_CMDLINE_LINUX_DEFAULT=b # and c=d\n", "b",
      "a" },
    { "in front of a command", "GRUB_CMDLINE_LINUX=a true\nGRUB_CMDLINE_LINUX_DEFAULT=b true x=y\n",
      NULL, NULL },
    { "an argument of a command", "true GRUB_CMDLINE_LINUX=a\n", NULL, NULL },
    { "in a condition",
      "if true; then\n\tGRUB_CMDLINE_LINUX_DEFAULT=\"a\"\nfi\n"
      "true && GRUB_CMDLINE_LINUX=b || false\n",
      "a", "b" },
    { "blanks in front", " \t GRUB_CMDLINE_LINUX_DEFAULT=\"a\"  \n", "a", NULL },
    { "blanks around =", "GRUB_CMDLINE_LINUX_DEFAULT = \"a\"\n", NULL, NULL },
    { "longer and shorter names", "GRUB_CMDLINE_LINUX_DEFAULT_X=a\nXGRUB_CMDLINE_LINUX=b\n", NULL,
      NULL },
    { "empty", "GRUB_CMDLINE_LINUX_DEFAULT=\nGRUB_CMDLINE_LINUX=''\n", "", "" },
    { "CRLF", "GRUB_TIMEOUT=5\r\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\r\n# end\r\n", "quiet\r",
      NULL },
    { "no newline at the end", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"", "quiet", NULL },
    { "no newline, and a comment", "GRUB_CMDLINE_LINUX_DEFAULT=a\n# the end", "a", NULL },
    { "a comment with a backslash at the end", "GRUB_CMDLINE_LINUX=a\n# the end \\\n", NULL, "a" },
    { "a user's own", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet crashkernel=256M\"\n",
      "quiet crashkernel=256M", NULL },
    { "a lone dollar", "GRUB_CMDLINE_LINUX_DEFAULT=\"a$ b\"\n", "a$ b", NULL },
    { "# in a word", "GRUB_CMDLINE_LINUX_DEFAULT=a#b\n", "a#b", NULL },
    { "an open quote", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\n", NULL, NULL, .open = true },
    { "an open single quote", "X='a\n\n", NULL, NULL, .open = true },
    { "an open substitution", "X=$(echo a\n", NULL, NULL, .open = true },
    { "a continued last line", "GRUB_TIMEOUT=5 \\\n", NULL, NULL, .open = true },
    { "a backslash at the end", "GRUB_TIMEOUT=5\\", NULL, NULL, .open = true },
};

static struct grub_defaults *read_text(struct span text)
{
    struct grub_defaults *d = calloc(1, sizeof(*d));

    assert_non_null(d);
    grub_defaults_read(text, d);
    return d;
}

static void assert_value(const struct sample *s, const struct grub_value *v, const char *expected)
{
    if (s->open)
        return;
    if (v->given != (expected != NULL) || (expected && strcmp(v->text, expected) != 0))
        fail_msg("%s: '%s' instead of '%s'", s->what, v->given ? v->text : "(none)",
                 expected ? expected : "(none)");
    assert_false(v->opaque);
}

static void values(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        struct span text = exact_copy(span_str(samples[i].text));
        struct grub_defaults *d = read_text(text);

        assert_value(&samples[i], &d->regular, samples[i].regular);
        assert_value(&samples[i], &d->common, samples[i].common);
        if (d->open != samples[i].open)
            fail_msg("%s: open is %d", samples[i].what, d->open);
        free(d);
        exact_free(text);
    }
}

/* What a shell says that the text makes of the variable, with "" for none. */
static void ask_shell(struct unit_tree *t, const struct sample *s, struct span text,
                      const char *name, char *buf, size_t size)
{
    char command[512];
    size_t n;
    FILE *p;

    unit_write(t, "/grub", text.p, text.n);
    (void)snprintf(command, sizeof(command),
                   "%s -c '. %s/grub; printf %%s \"$%s\"' 2>/dev/null </dev/null",
                   s->bash ? "bash" : "sh", t->dir, name);
    p = popen(command, "r");
    assert_non_null(p);
    n = fread(buf, 1, size - 1, p);
    buf[n] = '\0';
    (void)pclose(p);
}

/* The shell itself reads the samples as we do, and our line adds what it says. */
static void as_the_shell(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        const struct sample *s = &samples[i];
        const char *regular = s->regular ? s->regular : "";
        _cleanup_strbuf_ struct strbuf edited = { 0 };
        char got[1024], expected[1024];

        if (s->open)
            continue;
        ask_shell(*state, s, span_str(s->text), "GRUB_CMDLINE_LINUX_DEFAULT", got, sizeof(got));
        assert_string_equal(got, regular);
        ask_shell(*state, s, span_str(s->text), "GRUB_CMDLINE_LINUX", got, sizeof(got));
        assert_string_equal(got, s->common ? s->common : "");
        assert_int_equal(grub_defaults_edit(span_str(s->text), span_str(PARAMS), &edited), 0);
        ask_shell(*state, s, strbuf_view(&edited), "GRUB_CMDLINE_LINUX_DEFAULT", got, sizeof(got));
        (void)snprintf(expected, sizeof(expected), "%s " PARAMS, regular);
        assert_string_equal(got, expected);
    }
}

static void there_and_back(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        struct span text = exact_copy(span_str(samples[i].text)), params;
        _cleanup_strbuf_ struct strbuf with = { 0 }, again = { 0 }, other = { 0 }, back = { 0 };
        int r = grub_defaults_edit(text, span_str(PARAMS), &with);

        assert_int_equal(r, samples[i].open ? -EBADMSG : 0);
        assert_false(grub_defaults_ours(text, &params));
        assert_int_equal(grub_defaults_edit(text, (struct span){ 0 }, &back), 0);
        assert_true(span_eq_span(strbuf_view(&back), text));
        if (!samples[i].open) {
            strbuf_clear(&back);
            assert_true(grub_defaults_ours(strbuf_view(&with), &params));
            assert_true(span_eq(params, PARAMS));
            assert_int_equal(grub_defaults_edit(strbuf_view(&with), params, &again), 0);
            assert_true(span_eq_span(strbuf_view(&again), strbuf_view(&with)));
            assert_int_equal(grub_defaults_edit(strbuf_view(&with), SPAN("a=b c=d:e"), &other), 0);
            assert_true(span_contains(strbuf_view(&other), " a=b c=d:e\""));
            assert_false(span_contains(strbuf_view(&other), PARAMS));
            assert_int_equal(
                grub_defaults_edit(strbuf_view(&other), (struct span){ 0 }, &back), 0);
            assert_true(span_eq_span(strbuf_view(&back), text));
        }
        exact_free(text);
    }
}

static void our_line(void **state)
{
    static const char *const refused[] = { "a\"b", "a$b", "a`b", "a\nb", "a'b", "a\\b", "a;b" };
    _cleanup_strbuf_ struct strbuf out = { 0 };
    struct span params;

    assert_int_equal(grub_defaults_edit(SPAN("A=1\n"), SPAN(PARAMS), &out), 0);
    assert_string_equal(strbuf_cstr(&out), "A=1\n" OURS);
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_int_equal(grub_defaults_edit(SPAN(""), span_str(refused[i]), &out), -EINVAL);
    /* Lines that only look like ours are the user's. */
    assert_false(grub_defaults_ours(
        SPAN("GRUB_CMDLINE_LINUX_DEFAULT=\"crashkernel=1M\" # kdump-steamos\n"), &params));
    assert_false(grub_defaults_ours(
        SPAN("GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT a\" # mine\n"), &params));
}

/* The user went on writing behind our line, or put ours somewhere else. */
static void edited_by_hand(void **state)
{
    _cleanup_strbuf_ struct strbuf out = { 0 };

    assert_int_equal(grub_defaults_edit(SPAN("A=1\n" OURS "B=2\n"), SPAN(""), &out), 0);
    assert_string_equal(strbuf_cstr(&out), "A=1\nB=2\n");
    strbuf_clear(&out);
    assert_int_equal(grub_defaults_edit(SPAN(OURS "B=2\n" OURS), SPAN(PARAMS), &out), 0);
    assert_string_equal(strbuf_cstr(&out), "B=2\n" OURS);
}

static void opaque_values(void **state)
{
    static const char *const texts[] = {
        "GRUB_CMDLINE_LINUX_DEFAULT=\"a $OTHER\"\n", "GRUB_CMDLINE_LINUX_DEFAULT=\"a $(cat x)\"\n",
        "GRUB_CMDLINE_LINUX_DEFAULT=`cat x`\n", "GRUB_CMDLINE_LINUX_DEFAULT=\"${OTHER:-a}\"\n",
        "GRUB_CMDLINE_LINUX_DEFAULT=\"a $1\"\n"
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct grub_defaults *d = read_text(span_str(texts[i]));

        assert_true(d->regular.given && d->regular.opaque && !d->open);
        free(d);
    }
}

static void parse_any(struct span text)
{
    _cleanup_strbuf_ struct strbuf out = { 0 };

    free(read_text(text));
    (void)!grub_defaults_edit(text, SPAN(PARAMS), &out);
}

static void hostile(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        at_every_cut(span_str(samples[i].text), parse_any);
    at_hostile_texts(parse_any);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test_setup_teardown(as_the_shell, unit_tree_setup, unit_tree_teardown),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(our_line),
        cmocka_unit_test(edited_by_hand),
        cmocka_unit_test(opaque_values),
        cmocka_unit_test(hostile),
    };

    return cmocka_run_group_tests_name("grub_defaults", tests, NULL, NULL);
}
