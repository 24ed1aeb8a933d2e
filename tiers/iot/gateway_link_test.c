/* Links with a driver that the test holds: it says when a call ends, and how. */
#include "tiers/iot/gateway_link.h"

#include "lib/base/clock.h"
#include "lib/base/test.h"

#include <poll.h>
#include <pthread.h>

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    bool hold;      /* readings wait */
    unsigned held;  /* that do */
    mw_err reading; /* what the next ones give */
    mw_err writing;
    unsigned reads, writes, again;
} fake = {.mutex = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static mw_err open_fake(void **state, const struct mw_gateway_file *first, struct mw_error *error)
{
    (void)first;
    (void)error;
    *state = &fake;
    return MW_OK;
}

static void close_fake(void *state)
{
    (void)state;
}

static mw_err read_fake(void *state, const struct mw_gateway_file *file, float *value,
                        struct mw_error *error)
{
    (void)state;
    pthread_mutex_lock(&fake.mutex);
    fake.held++;
    pthread_cond_broadcast(&fake.moved);
    while (fake.hold) {
        pthread_cond_wait(&fake.moved, &fake.mutex);
    }
    fake.held--;
    fake.reads++;
    pthread_cond_broadcast(&fake.moved);
    for (size_t i = 0; i < file->n_features; i++) {
        value[i] = (float)(10 * (i + 1));
    }
    mw_err err = fake.reading;
    pthread_mutex_unlock(&fake.mutex);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "nobody there");
}

static mw_err write_fake(void *state, const struct mw_gateway_file *file, size_t action, bool again,
                         struct mw_error *error)
{
    (void)state;
    (void)file;
    (void)action;
    pthread_mutex_lock(&fake.mutex);
    fake.writes++;
    pthread_cond_broadcast(&fake.moved);
    fake.again += again;
    mw_err err = fake.writing;
    pthread_mutex_unlock(&fake.mutex);
    return err == MW_OK ? MW_OK : mw_error_set(error, err, "no");
}

static const struct mw_gateway_driver driver = {open_fake, close_fake, read_fake, write_fake};

struct scene {
    struct mw_gateway_file file[2];
    struct mw_gateway_queue *queue;
    struct mw_gateway_link *link;
    struct mw_gateway_news *rest; /* taken and not looked at */
};

static void set(bool hold, mw_err reading, mw_err writing)
{
    pthread_mutex_lock(&fake.mutex);
    fake.hold = hold;
    fake.reading = reading;
    fake.writing = writing;
    pthread_cond_broadcast(&fake.moved);
    pthread_mutex_unlock(&fake.mutex);
}

static int set_up(void **state)
{
    static struct scene scene;
    scene = (struct scene){0};
    fake.reads = fake.writes = fake.again = 0;
    set(false, MW_OK, MW_OK);
    assert_int_equal(mw_gateway_queue_new(&scene.queue, NULL), MW_OK);
    for (int i = 0; i < 2; i++) {
        scene.file[i].interval = MW_SECOND / 100;
        scene.file[i].n_features = 2;
    }
    assert_int_equal(mw_gateway_link_new(&scene.link, &driver, &scene.file[0], scene.queue, NULL),
                     MW_OK);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(mw_gateway_link_add(scene.link, &scene.file[i], 7 + i, NULL), MW_OK);
    }
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    set(false, MW_OK, MW_OK);
    assert_true(mw_gateway_link_free(scene->link));
    while (scene->rest != NULL) {
        struct mw_gateway_news *news = scene->rest;
        scene->rest = news->next;
        mw_gateway_news_free(news);
    }
    mw_gateway_queue_free(scene->queue);
    return 0;
}

static struct mw_gateway_news *next(struct scene *scene)
{
    struct pollfd fd = {mw_gateway_queue_fd(scene->queue), POLLIN, 0};
    while (scene->rest == NULL) {
        assert_int_equal(poll(&fd, 1, 30000), 1);
        scene->rest = mw_gateway_queue_take(scene->queue);
    }
    struct mw_gateway_news *news = scene->rest;
    scene->rest = news->next;
    return news;
}

/* The next news of that kind, in between others; frees them all. Returns the device. */
static unsigned wait_for(struct scene *scene, enum mw_gateway_news_kind kind,
                         unsigned others[static 5])
{
    for (;;) {
        struct mw_gateway_news *news = next(scene);
        enum mw_gateway_news_kind found = news->kind;
        unsigned device = news->device;
        mw_gateway_news_free(news);
        if (found == kind) {
            return device;
        }
        others[found]++;
    }
}

static void start(struct scene *scene)
{
    assert_int_equal(mw_gateway_link_start(scene->link, NULL), MW_OK);
}

static void readings_are_told(void **state)
{
    struct scene *scene = *state;
    bool seen[2] = {false, false};
    start(scene);
    while (!seen[0] || !seen[1]) {
        struct mw_gateway_news *news = next(scene);
        assert_int_equal(news->kind, MW_GATEWAY_RECORD);
        assert_true(news->device == 7 || news->device == 8);
        assert_true(news->time > 0 && news->value[0] == 10 && news->value[1] == 20);
        seen[news->device - 7] = true;
        mw_gateway_news_free(news);
    }
}

static void who_is_away_is_told_once(void **state)
{
    struct scene *scene = *state;
    unsigned others[5] = {0};
    set(false, MW_ERR_NET, MW_OK);
    start(scene);
    assert_int_not_equal(wait_for(scene, MW_GATEWAY_AWAY, others),
                         wait_for(scene, MW_GATEWAY_AWAY, others));
    assert_int_equal(others[MW_GATEWAY_RECORD], 0);
    set(false, MW_OK, MW_OK);
    assert_int_not_equal(wait_for(scene, MW_GATEWAY_BACK, others),
                         wait_for(scene, MW_GATEWAY_BACK, others));
    assert_int_equal(others[MW_GATEWAY_AWAY], 0);
}

static void orders_go_before_readings(void **state)
{
    struct scene *scene = *state;
    unsigned others[5] = {0};
    set(true, MW_OK, MW_OK);
    start(scene);
    pthread_mutex_lock(&fake.mutex);
    while (fake.held == 0) { /* it is in a reading */
        pthread_cond_wait(&fake.moved, &fake.mutex);
    }
    pthread_mutex_unlock(&fake.mutex);
    assert_int_equal(mw_gateway_link_order(scene->link, 8, 0, "c-1", false), MW_OK);
    assert_int_equal(mw_gateway_link_order(scene->link, 8, 0, "c-2", true), MW_OK);
    set(false, MW_OK, MW_OK);
    assert_int_equal(wait_for(scene, MW_GATEWAY_WRITTEN, others), 8);
    assert_int_equal(wait_for(scene, MW_GATEWAY_WRITTEN, others), 8);
    assert_int_equal(others[MW_GATEWAY_RECORD], 1); /* the one that it was in */
    assert_int_equal(fake.writes, 2);
    assert_int_equal(fake.again, 1);
}

static void a_refusal_is_told(void **state)
{
    struct scene *scene = *state;
    set(false, MW_OK, MW_ERR_NET);
    start(scene);
    assert_int_equal(mw_gateway_link_order(scene->link, 7, 0, "c-1", false), MW_OK);
    for (bool told = false; !told;) {
        struct mw_gateway_news *news = next(scene);
        told = news->kind == MW_GATEWAY_REFUSED;
        if (told) {
            assert_string_equal(news->id, "c-1");
            assert_string_equal(news->text, "no");
        }
        mw_gateway_news_free(news);
    }
}

/* Nobody takes: devices are not read any more rather than memory be filled. */
static void a_full_queue_holds_readings_back(void **state)
{
    struct scene *scene = *state;
    scene->file[0].interval = scene->file[1].interval = 1;
    start(scene);
    pthread_mutex_lock(&fake.mutex);
    while (fake.reads < MW_GATEWAY_QUEUE_MAX) {
        pthread_cond_wait(&fake.moved, &fake.mutex);
    }
    for (unsigned i = 1; i <= 20; i++) { /* its rounds go on */
        assert_int_equal(mw_gateway_link_order(scene->link, 7, 0, "c", false), MW_OK);
        while (fake.writes < i) {
            pthread_cond_wait(&fake.moved, &fake.mutex);
        }
    }
    unsigned reads = fake.reads;
    pthread_mutex_unlock(&fake.mutex);
    assert_int_equal(reads, MW_GATEWAY_QUEUE_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(readings_are_told),
        TEST(who_is_away_is_told_once),
        TEST(orders_go_before_readings),
        TEST(a_refusal_is_told),
        TEST(a_full_queue_holds_readings_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
