/* This program is its own child: with an argument it plays one and ends. */
#include "lib/base/process.h"

#include "lib/base/file.h"
#include "lib/base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char folder[64], path[128];

static int make(void **state)
{
    (void)state;
    test_folder_make(folder);
    snprintf(path, sizeof path, "%s/file", folder);
    alarm(60);
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    alarm(0);
    test_folder_remove(folder);
    return 0;
}

static pid_t start(const char *play, const char *argument, bool ready, int *ready_fd,
                   const char *output)
{
    char *argv[] = {(char *)(uintptr_t)mw_process_self(), (char *)(uintptr_t)play,
                    (char *)(uintptr_t)argument, NULL};
    struct mw_process_spec spec = {.argv = argv, .ready = ready, .nice = 3, .output = output};
    struct mw_error error = {0};
    pid_t pid = -1;
    assert_int_equal(mw_process_start(&spec, &pid, ready_fd, &error), MW_OK);
    assert_true(pid > 0);
    return pid;
}

static int status_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void ready_arrives_and_then_the_end(void **state)
{
    (void)state;
    int fd;
    char text[16] = {0};
    pid_t pid = start("ready", NULL, true, &fd, NULL);
    assert_int_equal(read(fd, text, sizeof text), 5);
    assert_string_equal(text, "READY");
    assert_int_equal(read(fd, text, sizeof text), 0);
    close(fd);
    assert_int_equal(kill(pid, SIGTERM), 0);
    /* It paused with SIGTERM's default: blocked or ignored signals of ours are not its. */
    int status = status_of(pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void a_child_that_ends_unready_shows_as_end(void **state)
{
    (void)state;
    int fd;
    char text[16];
    pid_t pid = start("exit", "7", true, &fd, NULL);
    assert_int_equal(read(fd, text, sizeof text), 0);
    close(fd);
    int status = status_of(pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void output_is_appended(void **state)
{
    (void)state;
    struct mw_error error = {0};
    struct mw_buffer buffer = {0};
    assert_int_equal(mw_file_write(path, "old\n", 4, 0600, &error), MW_OK);
    assert_int_equal(status_of(start("speak", NULL, false, NULL, path)), 0);
    assert_int_equal(mw_file_read(path, 1000, &buffer, &error), MW_OK);
    /* Also: niceness, no ready descriptor of somebody else's, stdin empty. */
    int nice = getpriority(PRIO_PROCESS, 0) + 3;
    char expected[64];
    (void)snprintf(expected, sizeof expected, "old\nout nice=%d ready=no stdin=0\nerr\n",
                   nice < 19 ? nice : 19);
    assert_string_equal(buffer.data, expected);
    mw_buffer_free(&buffer);
}

static void a_program_that_is_not_there_is_reported(void **state)
{
    (void)state;
    char *argv[] = {(char[]){"/nowhere/program"}, NULL};
    struct mw_process_spec spec = {.argv = argv, .ready = true};
    struct mw_error error = {0};
    pid_t pid;
    int fd;
    assert_int_equal(mw_process_start(&spec, &pid, &fd, &error), MW_ERR_NOT_FOUND);
    assert_string_equal(error.text, "cannot start /nowhere/program: No such file or directory");
    assert_int_equal(pid, -1);
    assert_int_equal(fd, -1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static void children_die_with_their_parent(void **state)
{
    (void)state;
    int fd;
    char text[16] = {0};
    pid_t pid = start("parent", path, true, &fd, NULL);
    /* The parent is ready once its own child holds the lock. */
    assert_int_equal(read(fd, text, 5), 5);
    close(fd);
    struct mw_error error = {0};
    int lock;
    assert_int_equal(mw_process_lock(path, &lock, &error), MW_ERR_BUSY);
    assert_int_equal(kill(pid, SIGKILL), 0);
    status_of(pid);
    lock = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0); /* waits for the grandchild's end */
    close(lock);
}

static void a_lock_names_its_holder(void **state)
{
    (void)state;
    struct mw_error error = {0};
    int fd, second;
    char expected[256];
    assert_int_equal(mw_process_lock(path, &fd, &error), MW_OK);
    assert_int_equal(mw_process_lock(path, &second, &error), MW_ERR_BUSY);
    snprintf(expected, sizeof expected, "%s: held by process %ld", path, (long)getpid());
    assert_string_equal(error.text, expected);
    assert_int_equal(second, -1);
    close(fd);
    assert_int_equal(mw_process_lock(path, &fd, &error), MW_OK);
    close(fd);
    assert_int_equal(mw_process_lock("/nowhere/lock", &fd, &error), MW_ERR_IO);
}

static void memory_is_known_while_it_lives(void **state)
{
    (void)state;
    assert_true(mw_process_pss(getpid()) > 10000);
    pid_t pid = start("exit", "0", false, NULL, NULL);
    status_of(pid);
    assert_int_equal(mw_process_pss(pid), -1);
}

static int play(int argc, char **argv)
{
    if (strcmp(argv[1], "ready") == 0) {
        mw_process_ready();
        mw_process_ready(); /* the second one has nobody to tell */
        for (;;) {
            pause();
        }
    }
    if (strcmp(argv[1], "exit") == 0) {
        return argc > 2 ? atoi(argv[2]) : 1;
    }
    if (strcmp(argv[1], "speak") == 0) {
        char c;
        printf("out nice=%d ready=%s stdin=%zd\n", getpriority(PRIO_PROCESS, 0),
               getenv("MILLWRIGHT_READY_FD") == NULL ? "no" : "yes", read(STDIN_FILENO, &c, 1));
        fflush(stdout);
        fputs("err\n", stderr);
        return 0;
    }
    if (strcmp(argv[1], "holder") == 0) {
        int fd;
        if (mw_process_lock(argv[2], &fd, NULL) != MW_OK) {
            return 1;
        }
        mw_process_ready();
        for (;;) {
            pause();
        }
    }
    if (strcmp(argv[1], "parent") == 0) {
        char *child[] = {argv[0], (char[]){"holder"}, argv[2], NULL};
        struct mw_process_spec spec = {.argv = child, .ready = true};
        pid_t pid;
        int fd;
        char text[8];
        if (mw_process_start(&spec, &pid, &fd, NULL) != MW_OK || read(fd, text, 5) != 5) {
            return 1;
        }
        mw_process_ready();
        for (;;) {
            pause();
        }
    }
    return 1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)

int main(int argc, char **argv)
{
    if (argc > 1) {
        return play(argc, argv);
    }
    const struct CMUnitTest tests[] = {
        TEST(ready_arrives_and_then_the_end),
        TEST(a_child_that_ends_unready_shows_as_end),
        TEST(output_is_appended),
        TEST(a_program_that_is_not_there_is_reported),
        TEST(children_die_with_their_parent),
        TEST(a_lock_names_its_holder),
        TEST(memory_is_known_while_it_lives),
    };
    signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    setenv("MILLWRIGHT_READY_FD", "999", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
