/* This program is its own child: with arguments it plays one. What the children do is written, a
 * word each, to one file, whose order is what most tests look at. */
#include "lib/base/supervise.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/process.h"
#include "lib/base/test.h"

#include <signal.h>
#include <sys/wait.h>

struct place {
    char folder[64], file[128];
    struct mw_loop *loop;
    struct mw_supervisor *supervisor;
    unsigned ready, stopped;
    bool (*condition)(struct place *place);
    pid_t pid;      /* for conditions */
    unsigned words; /* the same */
    bool probe;
    char *argv[4][4];
};

static void on_ready(void *context)
{
    struct place *place = context;
    place->ready++;
}

static void on_stopped(void *context)
{
    struct place *place = context;
    place->stopped++;
}

static int set_up(void **state)
{
    static struct place place;
    struct mw_error error = {0};
    place = (struct place){0};
    test_folder_make(place.folder);
    snprintf(place.file, sizeof place.file, "%s/words", place.folder);
    alarm(60);
    mw_log_init("test", MW_LOG_ERROR, MW_LOG_TEXT);
    assert_int_equal(mw_loop_new(&place.loop, &error), MW_OK);
    struct mw_supervisor_options options = {on_ready, on_stopped, &place};
    assert_int_equal(mw_supervisor_new(&place.supervisor, place.loop, &options, &error), MW_OK);
    *state = &place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    mw_supervisor_free(place->supervisor);
    mw_loop_free(place->loop);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    test_folder_remove(place->folder);
    alarm(0);
    return 0;
}

static bool ask_probe(void *context)
{
    struct place *place = context;
    return place->probe;
}

static void add(struct place *place, unsigned i, const char *name, const char *play, bool probe)
{
    struct mw_error error = {0};
    place->argv[i][0] = (char *)(uintptr_t)mw_process_self();
    place->argv[i][1] = (char *)(uintptr_t)play;
    place->argv[i][2] = (char *)(uintptr_t)name;
    struct mw_child_spec spec = {.name = name,
                                 .argv = place->argv[i],
                                 .output = place->file,
                                 .probe = probe ? ask_probe : NULL,
                                 .context = place};
    assert_int_equal(mw_supervisor_add(place->supervisor, &spec, &error), MW_OK);
}

static void look(void *context)
{
    struct place *place = context;
    if (place->condition(place)) {
        mw_loop_stop(place->loop);
    }
}

/* The alarm ends a test whose condition never comes true. */
static void run_until(struct place *place, bool (*condition)(struct place *place))
{
    struct mw_loop_watch *watch = NULL;
    struct mw_error error = {0};
    place->condition = condition;
    assert_int_equal(
        mw_loop_add_timer(place->loop, 0, MW_SECOND / 500, look, place, &watch, &error), MW_OK);
    assert_int_equal(mw_loop_run(place->loop, &error), MW_OK);
    mw_loop_remove(place->loop, watch);
}

static bool is_ready(struct place *place)
{
    return place->ready > 0;
}

static bool is_stopped(struct place *place)
{
    return place->stopped > 0;
}

static void words(const struct place *place, char text[256])
{
    struct mw_buffer file = {0};
    text[0] = '\0';
    if (mw_file_read(place->file, 255, &file, NULL) == MW_OK && file.data != NULL) {
        memcpy(text, file.data, file.size);
        text[file.size] = '\0';
    }
    mw_buffer_free(&file);
}

static bool has_words(struct place *place)
{
    char text[256];
    unsigned n = 0;
    words(place, text);
    for (const char *at = text; *at != '\0'; at++) {
        n += *at == ' ' ? 1 : 0;
    }
    return n >= place->words;
}

static void assert_words(const struct place *place, const char *expected)
{
    char text[256];
    words(place, text);
    assert_string_equal(text, expected);
}

static void start_and_stop_in_order(void **state)
{
    struct place *place = *state;
    add(place, 0, "a", "role", false);
    add(place, 1, "b", "role", false);
    add(place, 2, "c", "role", false);
    assert_true(mw_supervisor_pid(place->supervisor, "a") > 0);
    assert_int_equal(mw_supervisor_pid(place->supervisor, "b"), 0); /* waits for a */
    run_until(place, is_ready);
    assert_words(place, "a b c ");
    mw_supervisor_stop(place->supervisor);
    run_until(place, is_stopped);
    assert_words(place, "a b c -c -b -a ");
    assert_int_equal(place->ready, 1);
    assert_int_equal(place->stopped, 1);
    assert_int_equal(mw_supervisor_pid(place->supervisor, "a"), 0);
}

static bool is_back(struct place *place)
{
    place->words = 4;
    pid_t pid = mw_supervisor_pid(place->supervisor, "b");
    return pid != 0 && pid != place->pid && has_words(place);
}

static void only_the_dead_one_starts_again(void **state)
{
    struct place *place = *state;
    add(place, 0, "a", "role", false);
    add(place, 1, "b", "role", false);
    add(place, 2, "c", "role", false);
    run_until(place, is_ready);
    pid_t a = mw_supervisor_pid(place->supervisor, "a"),
          c = mw_supervisor_pid(place->supervisor, "c");
    place->pid = mw_supervisor_pid(place->supervisor, "b");
    assert_int_equal(kill(place->pid, SIGKILL), 0);
    run_until(place, is_back);
    assert_words(place, "a b c b ");
    assert_int_equal(mw_supervisor_pid(place->supervisor, "a"), a);
    assert_int_equal(mw_supervisor_pid(place->supervisor, "c"), c);

    place->pid = mw_supervisor_pid(place->supervisor, "b");
    assert_int_equal(mw_supervisor_restart(place->supervisor, "b"), MW_OK);
    run_until(place, is_back);
    assert_int_equal(place->ready, 1); /* once is enough */
    assert_int_equal(mw_supervisor_restart(place->supervisor, "d"), MW_ERR_NOT_FOUND);
}

static void one_that_ends_is_tried_again(void **state)
{
    struct place *place = *state;
    add(place, 0, "a", "ends", false);
    add(place, 1, "b", "role", false);
    place->words = 3;
    run_until(place, has_words);
    assert_words(place, "a a a "); /* b still waits */
    assert_int_equal(place->ready, 0);
}

static void one_that_cannot_start_has_no_pid(void **state)
{
    struct place *place = *state;
    char none[] = "/nonexistent/program";
    char *argv[] = {none, NULL};
    struct mw_child_spec spec = {.name = "none", .argv = argv};
    struct mw_error error = {0};
    FILE *file;
    int kept = test_stderr_begin(&file);
    assert_int_equal(mw_supervisor_add(place->supervisor, &spec, &error), MW_OK);
    char text[1024];
    test_stderr_end(file, kept, text, sizeof text);
    assert_non_null(strstr(text, "/nonexistent/program"));
    /* -1 would be everybody's in the kill of the end. */
    assert_int_equal(mw_supervisor_pid(place->supervisor, "none"), 0);
    mw_supervisor_stop(place->supervisor);
    assert_int_equal(place->stopped, 1);
}

static void a_probe_says_when_it_is_ready(void **state)
{
    struct place *place = *state;
    add(place, 0, "a", "silent", true);
    add(place, 1, "b", "role", false);
    place->words = 1;
    run_until(place, has_words);
    assert_int_equal(mw_supervisor_pid(place->supervisor, "b"), 0);
    place->probe = true;
    run_until(place, is_ready);
    assert_words(place, "a b ");
}

static void stopping_twice_kills(void **state)
{
    struct place *place = *state;
    add(place, 0, "a", "role", false);
    add(place, 1, "b", "stubborn", false);
    run_until(place, is_ready);
    mw_supervisor_stop(place->supervisor);
    assert_int_equal(place->stopped, 0);
    mw_supervisor_stop(place->supervisor);
    run_until(place, is_stopped);
    assert_words(place, "a b "); /* neither had time to say good-bye */
}

static bool is_gone(struct place *place)
{
    return mw_supervisor_remove(place->supervisor, "a") == MW_ERR_NOT_FOUND &&
           kill(place->pid, 0) != 0;
}

static void a_removed_one_stays_away(void **state)
{
    struct place *place = *state;
    add(place, 0, "a", "role", false);
    add(place, 1, "b", "role", false);
    run_until(place, is_ready);
    place->pid = mw_supervisor_pid(place->supervisor, "a");
    assert_int_equal(mw_supervisor_remove(place->supervisor, "a"), MW_OK);
    run_until(place, is_gone);
    assert_words(place, "a b -a ");
    add(place, 0, "a", "role", false); /* its name is free again */
    place->words = 4;
    run_until(place, has_words);
    assert_words(place, "a b -a a ");
}

static void those_behind_a_removed_one_start(void **state)
{
    struct place *place = *state;
    add(place, 0, "a", "silent", false); /* never says READY */
    add(place, 1, "b", "role", false);
    place->words = 1;
    run_until(place, has_words);
    assert_int_equal(mw_supervisor_remove(place->supervisor, "a"), MW_OK);
    run_until(place, is_ready);
    place->words = 2;
    assert_true(has_words(place));
}

/* And all of them have to be ready for the whole to be. */
static void those_behind_one_apart_do_not_wait(void **state)
{
    struct place *place = *state;
    struct mw_error error = {0};
    char *argv[] = {(char *)(uintptr_t)mw_process_self(), (char *)"ends", (char *)"a", NULL};
    struct mw_child_spec spec = {.name = "a", .argv = argv, .output = place->file, .apart = true};
    assert_int_equal(mw_supervisor_add(place->supervisor, &spec, &error), MW_OK);
    add(place, 1, "b", "role", false);
    assert_true(mw_supervisor_pid(place->supervisor, "b") > 0);
    place->words = 4;
    run_until(place, has_words); /* b, and a again and again */
    assert_int_equal(place->ready, 0);
    assert_int_equal(mw_supervisor_remove(place->supervisor, "a"), MW_OK);
    run_until(place, is_ready);
}

/* ---- the children ---- */

static const char *name;

static void say(const char *sign)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%s%s ", sign, name);
    (void)!write(STDOUT_FILENO, text, (size_t)n);
}

static void good_bye(int number)
{
    (void)number;
    say("-");
    _exit(0);
}

static int play(const char *what)
{
    alarm(60);
    signal(SIGTERM, strcmp(what, "stubborn") == 0 ? SIG_IGN : good_bye);
    say("");
    if (strcmp(what, "ends") == 0) {
        return 1;
    }
    if (strcmp(what, "silent") != 0) {
        mw_process_ready();
    }
    for (;;) {
        pause();
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    if (argc == 3) {
        name = argv[2];
        return play(argv[1]);
    }
    const struct CMUnitTest tests[] = {
        TEST(start_and_stop_in_order),
        TEST(only_the_dead_one_starts_again),
        TEST(one_that_ends_is_tried_again),
        TEST(one_that_cannot_start_has_no_pid),
        TEST(a_probe_says_when_it_is_ready),
        TEST(stopping_twice_kills),
        TEST(a_removed_one_stays_away),
        TEST(those_behind_a_removed_one_start),
        TEST(those_behind_one_apart_do_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
