#include "cli/api.h"
#include "cli/command.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct values {
    char *config;
    int64_t interval;
    bool once;
};

static const struct mw_option options[] = {
    MW_OPTION_CONFIG(struct values),
    {"interval", MW_OPTION_DURATION, NULL, 1e5, 3600e6, "1s", NULL, "between two looks",
     offsetof(struct values, interval)},
    {"once", MW_OPTION_BOOL, NULL, 0, 0, "false", NULL, "one look, then end",
     offsetof(struct values, once)},
    {NULL, MW_OPTION_BOOL, NULL, 0, 0, NULL, NULL, NULL, 0},
};

enum { LINES_ABOVE = 9 }; /* what is printed besides the things */

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static size_t rows_of_terminal(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row <= LINES_ABOVE) {
        return 20;
    }
    return (size_t)size.ws_row - LINES_ABOVE;
}

static void rest(int64_t microseconds)
{
    struct timespec time = {(time_t)(microseconds / 1000000),
                            (long)(microseconds % 1000000) * 1000};
    nanosleep(&time, NULL); /* a signal ends it early, which is as well */
}

/* One look. A server that does not answer is no reason to end: it may be starting again. */
static mw_err look(const struct values *v, const struct mw_plant *plant, bool terminal,
                   struct mw_error *error)
{
    json_t *state = NULL;
    mw_err err = mw_api_ask(plant, "/api/state", NULL, &state, error);
    if (terminal) {
        printf("\033[H\033[2J"); /* home, clear */
    }
    if (err == MW_OK) {
        mw_api_print_state(state, rows_of_terminal());
    } else if (!v->once) {
        printf("%s\n", error->text);
    }
    json_decref(state);
    fflush(stdout);
    return err;
}

static int run(void *values, int n, char **argv, struct mw_error *error)
{
    const struct values *v = values;
    struct sigaction action = {.sa_handler = on_signal};
    struct mw_plant plant;
    bool terminal = isatty(STDOUT_FILENO) != 0 && !v->once;
    (void)n;
    (void)argv;
    if (mw_plant_read(&plant, v->config, error) != MW_OK) {
        return 2;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    mw_err err = look(v, &plant, terminal, error);
    while (!v->once && stopped == 0) {
        *error = (struct mw_error){0};
        rest(v->interval);
        if (stopped == 0) {
            err = look(v, &plant, terminal, error);
        }
    }
    mw_plant_clear(&plant);
    if (stopped != 0) {
        *error = (struct mw_error){0};
        return 0;
    }
    return err == MW_OK ? 0 : 1;
}

const struct mw_subcommand mw_command_top = {
    .name = "top",
    .synopsis = "-c plant.yaml [--interval 1s] [--once]",
    .summary = "watch the plant live in the terminal",
    .shorts = "c=config",
    .options = options,
    .values_size = sizeof(struct values),
    .run = run,
};
