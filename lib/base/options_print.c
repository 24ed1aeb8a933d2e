/* The option table as people read it: --help, and sections of the manual page. */
#include "lib/base/options.h"
#include "lib/base/options_internal.h"

#include <string.h>

enum { COLUMN = 30, WIDTH = 100 };

static const char *word_of(const struct mw_option *option)
{
    switch (option->type) {
    case MW_OPTION_BOOL:
        return "";
    case MW_OPTION_INT:
        return "N";
    case MW_OPTION_FLOAT:
        return "X";
    case MW_OPTION_STRING:
        return "TEXT";
    case MW_OPTION_NAME:
        return "NAME";
    case MW_OPTION_DURATION:
        return "TIME";
    case MW_OPTION_SIZE:
        return "SIZE";
    case MW_OPTION_ENUM:
        return option->choices;
    case MW_OPTION_LIST:
        return "A,B,...";
    case MW_OPTION_INTS:
        return "N,N,...";
    }
    return "";
}

/* "from 1 to 1000" of an option with limits; empty without. */
static void print_range(const struct mw_option *option, char *text, size_t capacity)
{
    char expected[256];
    text[0] = 0;
    if (option->min != 0 || option->max != 0) {
        mw_option_expected(option, expected, sizeof expected);
        const char *range = strstr(expected, " from ");
        snprintf(text, capacity, "%s", range == NULL ? "" : range + 1);
    }
}

/* The sentence behind an option: help, unit, range and default. */
static void describe(const struct mw_option *option, char *text, size_t capacity)
{
    char range[128], fallback[128] = "";
    bool on = option->fallback != NULL && *option->fallback != 0 &&
              !(option->type == MW_OPTION_BOOL && strcmp(option->fallback, "false") == 0);
    print_range(option, range, sizeof range);
    if (on) {
        snprintf(fallback, sizeof fallback, "default: %s", option->fallback);
    }
    bool behind = range[0] != 0 || fallback[0] != 0;
    snprintf(text, capacity, "%s%s%s%s%s%s%s%s%s", option->help == NULL ? "" : option->help,
             option->unit == NULL ? "" : " [", option->unit == NULL ? "" : option->unit,
             option->unit == NULL ? "" : "]", behind ? " (" : "", range,
             range[0] != 0 && fallback[0] != 0 ? "; " : "", fallback, behind ? ")" : "");
}

/* Prints text from the column on, which the cursor has reached, breaking lines at blanks. */
static void print_wrapped(const char *text, FILE *out)
{
    size_t at = COLUMN;
    while (*text != 0) {
        size_t size = strcspn(text, " ");
        if (at > COLUMN && at + 1 + size > WIDTH) {
            fprintf(out, "\n%*s", COLUMN, "");
            at = COLUMN;
        } else if (at > COLUMN) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, size, out);
        at += size;
        text += size;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

/* "--no-" for a flag that is on by default: the form that changes something. */
static const char *negation(const struct mw_option *option)
{
    bool on = option->type == MW_OPTION_BOOL && option->fallback != NULL &&
              strcmp(option->fallback, "true") == 0;
    return on ? "no-" : "";
}

void mw_options_print_help(const struct mw_option *table, FILE *out)
{
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        char flag[128], text[512];
        const char *word = word_of(option);
        mw_option_flag(option->key, flag, sizeof flag);
        int used =
            fprintf(out, "  --%s%s%s%s", negation(option), flag, *word == 0 ? "" : " ", word);
        if (used < 0 || used > COLUMN - 2) {
            fprintf(out, "\n%*s", COLUMN, "");
        } else {
            fprintf(out, "%*s", COLUMN - used, "");
        }
        describe(option, text, sizeof text);
        print_wrapped(text, out);
    }
}

/* groff takes a dash for a hyphen, a backslash for an escape, and a dot or a quote that starts a
 * line for a request. */
static void print_escaped(const char *text, FILE *out)
{
    if (*text == '.' || *text == '\'') {
        fputs("\\&", out);
    }
    for (; *text != 0; text++) {
        if (*text == '-') {
            fputs("\\-", out);
        } else if (*text == '\\') {
            fputs("\\e", out);
        } else {
            fputc(*text, out);
        }
    }
}

static void print_entry(const struct mw_option *option, const char *dashes, const char *name,
                        FILE *out)
{
    char text[512];
    const char *word = word_of(option);
    fputs(".TP\n\\fB", out);
    print_escaped(dashes, out);
    print_escaped(name, out);
    fputs("\\fR", out);
    if (*word != 0) {
        fputs(" \\fI", out);
        print_escaped(word, out);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    describe(option, text, sizeof text);
    print_escaped(text, out);
    fputs("\n", out);
}

void mw_options_print_man(const struct mw_option *table, FILE *out)
{
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        char flag[128];
        mw_option_flag(option->key, flag, sizeof flag);
        print_entry(option, *negation(option) == 0 ? "--" : "--no-", flag, out);
    }
}

void mw_options_print_man_keys(const struct mw_option *table, FILE *out)
{
    for (const struct mw_option *option = table; option->key != NULL; option++) {
        print_entry(option, "", option->key, out);
    }
}
