/* main.c - finds the subcommand, fills its values from the command line, and turns its error into
 * one line and an exit status: 0 done, 1 failed, 2 wrong usage or bad input, 3 the answer is yes or
 * no. */
#include "cli/commands.h"
#include "lib/plant/plant.h"
#include "tiers/iot/gateway_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef MW_VERSION
#define MW_VERSION "unknown"
#endif

static const struct mw_subcommand *const commands[] = {
#define COMMAND_ROW(name) &mw_command_##name,
    MW_COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};
static const size_t n_commands = sizeof commands / sizeof *commands;

/* Does argv[1..] spell this command's name ("model show" is two words)? *words says how many. */
static bool matches(const struct mw_subcommand *command, int argc, char **argv, int *words)
{
    const char *name = command->name;
    int i = 1;
    while (*name != '\0') {
        size_t length = strcspn(name, " ");
        if (i >= argc || strlen(argv[i]) != length || strncmp(argv[i], name, length) != 0) {
            return false;
        }
        name += length;
        name += *name == ' ';
        i++;
    }
    *words = i - 1;
    return true;
}

static void print_usage(FILE *out)
{
    fprintf(out, "millwright " MW_VERSION " - keeps edge machine learning in repair on a plant's "
                 "machines\n\nusage: millwright COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < n_commands; i++) {
        fprintf(out, "  %-14s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(out, "\n'millwright COMMAND --help' tells more. Exit status: 0 done, 1 failed, "
                 "2 wrong usage or\nbad input, 3 the question's answer is \"yes, drifted\" or "
                 "\"no, not verified\".\n");
}

static void print_help(const struct mw_subcommand *command)
{
    printf("usage: millwright %s %s\n\n%s\n", command->name, command->synopsis, command->summary);
    if (command->options != NULL) {
        printf("\n");
        mw_options_print_help(command->options, stdout);
        for (const char *s = command->shorts == NULL ? "" : command->shorts; *s != '\0';) {
            size_t length = strcspn(s, " ,");
            printf("\n-%c is short for --%.*s.\n", s[0], (int)length - 2, s + 2);
            s += length + strspn(s + length, " ,");
        }
    }
}

/* "model" alone: its commands. False when no command begins with this word. */
static bool print_group(const char *word, FILE *out)
{
    size_t length = strlen(word);
    bool found = false;
    for (size_t i = 0; i < n_commands; i++) {
        const char *name = commands[i]->name;
        if (strncmp(name, word, length) == 0 && name[length] == ' ') {
            fprintf(out, "%s'%s'", found ? ", " : "millwright: the commands are ", name);
            found = true;
        }
    }
    if (found) {
        fprintf(out, "\n");
    }
    return found;
}

static void print_man(void)
{
    printf(".TH MILLWRIGHT 1 \"\" \"millwright " MW_VERSION "\" \"User Commands\"\n"
           ".SH NAME\nmillwright \\- keep edge machine learning in repair on a plant's machines\n"
           ".SH SYNOPSIS\n.B millwright\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH COMMANDS\n");
    for (size_t i = 0; i < n_commands; i++) {
        printf(".SS millwright %s %s\n%s.\n", commands[i]->name, commands[i]->synopsis,
               commands[i]->summary);
        if (commands[i]->options != NULL) {
            mw_options_print_man(commands[i]->options, stdout);
        }
    }
    printf(".SH PLANT.YAML\n");
    mw_options_print_man_keys(mw_plant_options, stdout);
    printf(".SH FILES OF GATEWAY.DEVICES\nBesides these, the maps registers, channels and actions: "
           "see "
           "docs/gateway.md.\n");
    mw_options_print_man_keys(mw_gateway_options, stdout);
    printf(".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage or bad input, 3 the question's answer "
           "is \"yes, drifted\" or \"no, not verified\".\n");
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

/* What could not be written must not look like success. */
static int flush(int status, const char *name)
{
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0) {
        fprintf(stderr, "millwright %s: cannot write the output\n", name);
        status = 1;
    }
    return status;
}

static int run(const struct mw_subcommand *command, int argc, char **argv)
{
    struct mw_error error = {0};
    int rest = 0;
    void *values = calloc(1, command->values_size == 0 ? 1 : command->values_size);
    if (values == NULL) {
        fprintf(stderr, "millwright: out of memory\n");
        return 1;
    }
    static const struct mw_option none[] = {
        {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0}};
    const struct mw_option *options = command->options == NULL ? none : command->options;
    mw_err err = mw_options_defaults(options, values, &error);
    if (err == MW_OK) {
        err = mw_options_parse_args(options, values, command->shorts, argc, argv, &rest, &error);
    }
    if (err == MW_OK && rest > 0 && !command->positional) {
        err = mw_error_set(&error, MW_ERR_ARGUMENT, "unexpected argument %s", argv[0]);
    }
    int status = 2;
    if (err == MW_OK) {
        status = command->run(values, rest, argv, &error);
        if (error.code != MW_OK) {
            status = mw_error_exit_status(error.code);
        }
    }
    if (error.code != MW_OK) {
        fprintf(stderr, "millwright %s: %s\n", command->name, error.text);
    }
    status = flush(status, command->name);
    mw_options_clear(options, values);
    free(values);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return 2;
    }
    bool help = argc > 2 && strcmp(argv[1], "help") == 0; /* "help train", as "train --help" */
    argv += help;
    argc -= help;
    const struct mw_subcommand *best = NULL;
    int best_words = 0;
    for (size_t i = 0; i < n_commands; i++) {
        int words = 0;
        if (matches(commands[i], argc, argv, &words) && words > best_words) {
            best = commands[i];
            best_words = words;
        }
    }
    if (best == NULL) {
        if (strcmp(argv[1], "--version") == 0) {
            printf("millwright " MW_VERSION "\n");
            return flush(0, argv[1]);
        }
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
            strcmp(argv[1], "help") == 0) {
            print_usage(stdout);
            return flush(0, argv[1]);
        }
        if (strcmp(argv[1], "--man") == 0) {
            print_man();
            return flush(0, argv[1]);
        }
        if ((help || asks_help(argc - 1, argv + 1)) && print_group(argv[1], stdout)) {
            return flush(0, argv[1]);
        }
        if (!print_group(argv[1], stderr)) {
            fprintf(stderr, "millwright: '%s' is no command; 'millwright --help' lists them\n",
                    argv[1]);
        }
        return 2;
    }
    if (help || asks_help(argc - best_words, argv + best_words)) {
        print_help(best);
        return flush(0, best->name);
    }
    argv[best_words] = argv[0];
    return run(best, argc - best_words, argv + best_words);
}
