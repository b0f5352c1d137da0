/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "fault.h"

enum { FAULTS_MAX = 1024, FAULT_TEXT_MAX = 64 << 10 };

enum argument { ARG_NONE, ARG_NUMBER, ARG_OPTIONAL, ARG_TEXT, ARG_ESCAPED };

#define ANY ((1U << STEP_START) | (1U << STEP_PUT) | (1U << STEP_FINISH))
#define START (1U << STEP_START)
#define PUT (1U << STEP_PUT)

static const struct kind {
    enum fault_kind kind;
    enum fault_class class;
    unsigned steps;
    enum argument argument;
    uint64_t min, max, fallback;
    const char *name, *argument_name, *help;
} kinds[] = {
    { FAULT_OK, CLASS_OUTCOME, ANY, ARG_NONE, 0, 0, 0, "ok", "",
      "behave (lets COUNT requests pass)" },
    { FAULT_STATUS, CLASS_OUTCOME, ANY, ARG_NUMBER, 200, 599, 0, "status", ":CODE",
      "answer this; the work is done only for 2xx" },
    { FAULT_REDIRECT, CLASS_OUTCOME, ANY, ARG_TEXT, 0, 0, 0, "redirect", ":URL",
      "answer 302 to URL; status:CODE with header:Location: URL for others" },
    { FAULT_CUT, CLASS_OUTCOME, ANY, ARG_NONE, 0, 0, 0, "cut", "",
      "read the request, do nothing, close without an answer" },
    { FAULT_CUT_AFTER, CLASS_OUTCOME, PUT, ARG_NUMBER, 0, UINT32_MAX, 0, "cut-after", ":BYTES",
      "close when so much of the body has come" },
    { FAULT_STORE_THEN_CUT, CLASS_OUTCOME, ANY, ARG_NONE, 0, 0, 0, "store-then-cut", "",
      "do the work, close without an answer" },
    { FAULT_DELAY, CLASS_DELAY, ANY, ARG_NUMBER, 0, 3600000, 0, "delay", ":MS",
      "wait between the work and the answer" },
    { FAULT_RETRY_AFTER, CLASS_RETRY, ANY, ARG_NUMBER, 0, UINT32_MAX, 0, "retry-after", ":SECONDS",
      "add a Retry-After header" },
    { FAULT_HEADER, CLASS_HEADER, ANY, ARG_TEXT, 0, 0, 0, "header", ":NAME: VALUE",
      "add a header to the answer" },
    { FAULT_CONTENT_TYPE, CLASS_TYPE, ANY, ARG_TEXT, 0, 0, 0, "content-type", ":TYPE",
      "answer with this Content-Type" },
    { FAULT_NOT_JSON, CLASS_CONTENT, ANY, ARG_NONE, 0, 0, 0, "not-json", "",
      "answer an HTML page" },
    { FAULT_WRONG_TYPE, CLASS_CONTENT, ANY, ARG_NONE, 0, 0, 0, "wrong-type", "",
      "answer JSON whose members have other types than the API's" },
    { FAULT_JSON, CLASS_CONTENT, ANY, ARG_TEXT, 0, 0, 0, "json", ":TEXT", "answer this body" },
    { FAULT_TRUNCATE, CLASS_DELIVERY, ANY, ARG_NONE, 0, 0, 0, "truncate", "",
      "send half of the body that Content-Length promises" },
    { FAULT_ENDLESS, CLASS_DELIVERY, ANY, ARG_NONE, 0, 0, 0, "endless", "",
      "send a body that does not end (before 1 GiB)" },
    { FAULT_SLOW, CLASS_DELIVERY, ANY, ARG_OPTIONAL, 1, 60000, 1000, "slow", "[:MS]",
      "send a byte of the body every MS milliseconds (1000)" },
    { FAULT_HEADERS, CLASS_PAIRS, START, ARG_NUMBER, 0, 10000, 0, "headers", ":N",
      "hand out N headers for the PUT" },
    { FAULT_HEADER_INJECT, CLASS_PAIRS, START, ARG_NONE, 0, 0, 0, "header-inject", "",
      "hand out a header whose value holds CR LF and another header" },
    { FAULT_GID, CLASS_GID, START, ARG_ESCAPED, 0, 0, 0, "gid", ":TEXT", "hand out this gid" },
    { FAULT_URL, CLASS_URL, START, ARG_ESCAPED, 0, 0, 0, "url", ":TEXT", "hand out this URL" },
    { FAULT_USERINFO, CLASS_URL, START, ARG_NONE, 0, 0, 0, "userinfo", "",
      "hand out a URL with user:pw@ in it" },
};

static const char *const step_names[STEP_COUNT] = { "start", "put", "finish" };

struct fault {
    const struct kind *kind;
    enum step step;
    uint64_t number;
    uint64_t left; /* UINT64_MAX: always */
    uint64_t hits;
    char *text; /* owned; the argument of a text kind */
    char *spec; /* owned; as given */
};

struct faults {
    pthread_mutex_t lock;
    struct fault *p;
    size_t n;
};

const char *step_name(enum step step)
{
    return step < STEP_COUNT ? step_names[step] : "other";
}

static void fault_clear(struct fault *f)
{
    free(f->text);
    free(f->spec);
}

static void list_free(struct fault *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fault_clear(&p[i]);
    free(p);
}

void fault_set_clear(struct fault_set *set)
{
    for (size_t i = 0; i < CLASS_COUNT; i++)
        free(set->by_class[i].text);
    *set = (struct fault_set){ 0 };
}

struct faults *faults_new(void)
{
    struct faults *f = calloc(1, sizeof(*f));

    if (f)
        (void)pthread_mutex_init(&f->lock, NULL);
    return f;
}

void faults_clear(struct faults *f)
{
    (void)pthread_mutex_lock(&f->lock);
    list_free(f->p, f->n);
    f->p = NULL;
    f->n = 0;
    (void)pthread_mutex_unlock(&f->lock);
}

void faults_free(struct faults *f)
{
    list_free(f->p, f->n);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}

static const struct kind *kind_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (span_eq(name, kinds[i].name))
            return &kinds[i];
    return NULL;
}

static bool step_find(struct span name, enum step *step)
{
    for (size_t i = 0; i < STEP_COUNT; i++)
        if (span_eq(name, step_names[i])) {
            *step = (enum step)i;
            return true;
        }
    return false;
}

/* A number that is the whole field, in its bounds. */
static bool take_number(struct span *s, uint64_t min, uint64_t max, uint64_t *out)
{
    struct span field, rest = *s;
    uint64_t value;

    if (!span_next_field(&rest, ':', &field) || !span_to_u64(field, &value) || value < min ||
        value > max)
        return false;
    *s = rest;
    *out = value;
    return true;
}

/* \\n, \\r, \\t, \\\\ and \\xHH, in place; no NUL. */
static bool unescape(char *text)
{
    static const char from[] = "nrt\\", to[] = "\n\r\t\\";
    char *put = text;

    for (const char *c = text; *c; c++) {
        const char *at;
        int value;

        if (*c != '\\') {
            *put++ = *c;
            continue;
        }
        c++;
        at = *c ? strchr(from, *c) : NULL;
        if (at) {
            *put++ = to[at - from];
            continue;
        }
        if (*c != 'x' || byte_hex_value(c[1]) < 0 || byte_hex_value(c[2]) < 0)
            return false;
        value = byte_hex_value(c[1]) << 4 | byte_hex_value(c[2]);
        if (value == 0)
            return false;
        *put++ = (char)value;
        c += 2;
    }
    *put = '\0';
    return true;
}

static const char *parse_argument(struct fault *f, struct span rest)
{
    const struct kind *k = f->kind;

    if (k->argument == ARG_TEXT || k->argument == ARG_ESCAPED) {
        if (!rest.p || rest.n > FAULT_TEXT_MAX)
            return "this kind wants a text behind it";
        f->text = span_dup(rest);
        if (!f->text)
            return "out of memory";
        return k->argument == ARG_TEXT || unescape(f->text) ? NULL : "a broken escape";
    }
    f->number = k->fallback;
    if (k->argument == ARG_NUMBER || (k->argument == ARG_OPTIONAL && rest.p))
        if (!rest.p || !take_number(&rest, k->min, k->max, &f->number))
            return "the argument is missing, no number, or out of bounds";
    if (rest.p && (!take_number(&rest, 1, UINT32_MAX, &f->left) || rest.p))
        return "what is behind the argument is no count";
    return NULL;
}

/* NULL, or what is wrong with the line. */
static const char *parse(struct span line, struct fault *f)
{
    struct span rest = line, step, name;

    f->left = UINT64_MAX;
    if (!span_next_field(&rest, ':', &step) || !rest.p || !span_next_field(&rest, ':', &name))
        return "want STEP[*COUNT]:KIND[:ARG][:COUNT]";
    size_t star = span_find_byte(step, '*');
    if (star != SIZE_MAX) {
        struct span count = { step.p + star + 1, step.n - star - 1 };

        step.n = star;
        if (!take_number(&count, 1, UINT32_MAX, &f->left))
            return "the count behind * is no number from 1";
    }
    if (!step_find(step, &f->step))
        return "the step is none of start, put, finish";
    f->kind = kind_find(name);
    if (!f->kind)
        return "there is no such kind";
    if (!(f->kind->steps & (1U << f->step)))
        return "this kind does not exist in this step";
    f->spec = span_dup(line);
    if (!f->spec)
        return "out of memory";
    return parse_argument(f, rest);
}

static int append(struct faults *f, const struct fault *add, size_t n)
{
    struct fault *p;

    if (f->n + n > FAULTS_MAX)
        return -E2BIG;
    p = realloc(f->p, (f->n + n) * sizeof(*p));
    if (!p)
        return -ENOMEM;
    memcpy(p + f->n, add, n * sizeof(*p));
    f->p = p;
    f->n += n;
    return 0;
}

int faults_add(struct faults *f, struct span text, char *why, size_t why_size)
{
    struct fault *add = calloc(FAULTS_MAX, sizeof(*add));
    const char *wrong = add ? NULL : "out of memory";
    struct span line = { "", 0 };
    size_t n = 0;
    int r = -EINVAL;

    while (!wrong && span_next_line(&text, &line)) {
        line = span_trim(line);
        if (line.n == 0 || span_starts(line, "#"))
            continue;
        wrong = n < FAULTS_MAX ? parse(line, &add[n++]) : "too many faults";
    }
    if (!wrong && n == 0)
        wrong = "no fault is given";
    if (!wrong) {
        (void)pthread_mutex_lock(&f->lock);
        r = append(f, add, n);
        (void)pthread_mutex_unlock(&f->lock);
        if (r == 0) {
            free(add); /* its texts have moved */
            return 0;
        }
        wrong = strerror(-r);
    }
    (void)snprintf(why, why_size, "fault \"%.*s\": %s", (int)MIN(line.n, (size_t)200), line.p,
                   wrong);
    if (add)
        list_free(add, n);
    return r;
}

int faults_take(struct faults *f, enum step step, struct fault_set *out)
{
    int r = 0;

    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n && r == 0; i++) {
        struct fault *it = &f->p[i];
        struct fault_hit *hit = &out->by_class[it->kind->class];

        if (it->step != step || it->left == 0 || hit->kind != FAULT_NONE)
            continue;
        if (it->text) {
            hit->text = strdup(it->text);
            if (!hit->text) {
                r = -ENOMEM;
                break;
            }
        }
        hit->kind = it->kind->kind;
        hit->number = it->number;
        it->hits++;
        if (it->left != UINT64_MAX)
            it->left--;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return r;
}

json_t *faults_list(struct faults *f)
{
    json_t *list = json_array();

    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n; i++) {
        const struct fault *it = &f->p[i];
        json_int_t left = it->left == UINT64_MAX ? -1 : (json_int_t)it->left;

        (void)json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "fault", it->spec, "left",
                                                    left, "hits", (json_int_t)it->hits));
    }
    (void)pthread_mutex_unlock(&f->lock);
    return list;
}

void faults_print_help(FILE *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        char left[64];

        (void)snprintf(left, sizeof(left), "%s%s", kinds[i].name, kinds[i].argument_name);
        (void)fprintf(out, "  %-22s %s%s\n", left, kinds[i].help,
                      kinds[i].steps == START ? " (start)"
                      : kinds[i].steps == PUT ? " (put)"
                                              : "");
    }
}
