/* What a power cut leaves: a file is on the disk as it was at its last sync, or - when the kernel
 * has written it by itself - as it is now. The calls that sync are those below; SQLite's come here
 * too. */
#include "lib/stream/stream_test_place.h"

#include "lib/base/file.h"

#include <sys/syscall.h>

#define CUTS 50
#define FILES 8         /* two writers' databases and logs */
#define KEY_BYTES 16384 /* so long that the logs are moved to their files now and then */

static struct {
    char folder[256];
    struct {
        char name[64];
        struct mw_buffer content; /* as of the last sync, or the last power cut */
    } file[FILES];
    size_t n;
} disk;

static void read_whole(const char *path, struct mw_buffer *content)
{
    char piece[65536];
    size_t size;
    mw_buffer_clear(content);
    FILE *file = fopen(path, "rbe");
    while (file != NULL && (size = fread(piece, 1, sizeof(piece), file)) > 0) {
        assert_int_equal(mw_buffer_add(content, piece, size), MW_OK);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

/* Remembers the file of a descriptor, when it is one of a database. */
static void note_sync(int fd)
{
    char link[64], path[512];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    size_t prefix = strlen(disk.folder);
    if (length <= 0 || prefix == 0 || (size_t)length <= prefix + 1) {
        return;
    }
    path[length] = '\0';
    const char *name = path + prefix + 1;
    if (memcmp(path, disk.folder, prefix) != 0 || strstr(name, ".db") == NULL) {
        return;
    }
    size_t i = 0;
    while (i < disk.n && strcmp(disk.file[i].name, name) != 0) {
        i++;
    }
    assert_true(i < FILES);
    if (i == disk.n) {
        (void)snprintf(disk.file[disk.n++].name, sizeof(disk.file[0].name), "%s", name);
    }
    read_whole(path, &disk.file[i].content);
}

int fdatasync(int fd)
{
    note_sync(fd);
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    note_sync(fd);
    return (int)syscall(SYS_fsync, fd);
}

static unsigned seed = 1;

static unsigned draw(unsigned n)
{
    seed = seed * 1103515245U + 12345U;
    return (seed >> 16) % n;
}

/* A bridge that numbers what it stores, and a scorer that copies it, each in a file of its own. */
struct plant {
    struct place *place;
    struct mw_stream *bridge, *score;
    struct mw_stream_reader *reader;
    int next;     /* number of the bridge's next record */
    int answered; /* records below are said to be stored */
};

static void start(struct plant *plant)
{
    const char *topic = "telemetry";
    (void)snprintf(disk.folder, sizeof(disk.folder), "%s", plant->place->folder);
    (void)place_must_open(plant->place, "bridge", &plant->bridge);
    (void)place_must_open(plant->place, "score", &plant->score);
    assert_ok(
        mw_stream_reader_open(&plant->reader, plant->score, &topic, 1, MW_STREAM_EARLIEST, &why));
}

static void stop(struct plant *plant)
{
    mw_stream_reader_close(plant->reader);
    mw_stream_close(plant->score);
    mw_stream_close(plant->bridge);
}

static void store(struct plant *plant)
{
    static const char key[KEY_BYTES];
    char text[32];
    assert_ok(mw_stream_begin(plant->bridge, &why));
    for (unsigned n = 1 + draw(3); n > 0; n--) {
        (void)snprintf(text, sizeof(text), "%d", plant->next++);
        assert_ok(mw_stream_append(plant->bridge, "telemetry", (struct mw_span){key, sizeof(key)},
                                   mw_span_of(text), &why));
    }
    if (draw(4) == 0) {
        assert_ok(mw_stream_commit(plant->bridge, NULL, &why));
        plant->answered = plant->next;
    } else {
        assert_ok(mw_stream_commit_visible(plant->bridge, NULL, &why));
    }
}

static void score(struct plant *plant)
{
    struct mw_stream_record records[4];
    size_t n = 0;
    assert_ok(mw_stream_poll(plant->reader, records, 4, &n, &why));
    if (n == 0) {
        return;
    }
    assert_ok(mw_stream_begin(plant->score, &why));
    for (size_t i = 0; i < n; i++) {
        assert_ok(mw_stream_append(plant->score, "score", records[i].key, records[i].value, &why));
    }
    assert_ok(mw_stream_commit_visible(plant->score, plant->reader, &why));
}

static void work(struct plant *plant)
{
    switch (draw(8)) {
    case 0:
        assert_ok(mw_stream_sync(plant->bridge, &why));
        plant->answered = plant->next;
        break;
    case 1:
        mw_stream_tidy(draw(2) == 0 ? plant->bridge : plant->score);
        break;
    case 2:
    case 3:
    case 4:
        store(plant);
        break;
    default:
        score(plant);
    }
}

/* Makes the folder what the disk has, and forgets all processes. */
static void cut_power(struct plant *plant)
{
    char path[512];
    for (size_t i = 0; i < disk.n; i++) {
        struct mw_buffer *content = &disk.file[i].content;
        (void)snprintf(path, sizeof(path), "%s/%s", disk.folder, disk.file[i].name);
        if (access(path, F_OK) != 0) {
            mw_buffer_free(content); /* a journal; SQLite syncs its removal */
            disk.file[i--] = disk.file[--disk.n];
        } else if (draw(2) == 0) {
            read_whole(path, content); /* the kernel has been at it */
        }
    }
    disk.folder[0] = '\0';
    stop(plant);
    assert_int_equal(nftw(plant->place->folder, place_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(mkdir(plant->place->folder, 0700), 0);
    for (size_t i = 0; i < disk.n; i++) {
        const struct mw_buffer *content = &disk.file[i].content;
        (void)snprintf(path, sizeof(path), "%s/%s", plant->place->folder, disk.file[i].name);
        FILE *file = fopen(path, "wbe");
        assert_non_null(file);
        assert_int_equal(fwrite(content->data, 1, content->size, file), content->size);
        assert_int_equal(fclose(file), 0);
    }
}

/* Reads a topic from its beginning: it has to hold 0, 1, 2 ... Returns how many. */
static int count(const struct plant *plant, const char *topic)
{
    struct mw_stream *stream = NULL;
    struct mw_stream_reader *reader = NULL;
    struct mw_stream_record records[64];
    size_t n = 0;
    int total = 0;
    (void)place_must_open(plant->place, NULL, &stream);
    assert_ok(mw_stream_reader_open(&reader, stream, &topic, 1, MW_STREAM_EARLIEST, &why));
    do {
        assert_ok(mw_stream_poll(reader, records, 64, &n, &why));
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(number_of(records[i].value), total++);
        }
    } while (n > 0);
    mw_stream_reader_close(reader);
    mw_stream_close(stream);
    return total;
}

/* What was said to be stored is there; nothing is scored that is not there, nothing twice, and
 * nothing is left out. */
static void test_power_cuts(void **state)
{
    struct plant plant = {.place = *state};
    int lost = 0;
    start(&plant);
    for (int cut = 0; cut < CUTS; cut++) {
        for (unsigned n = draw(40); n > 0; n--) {
            work(&plant);
        }
        cut_power(&plant);
        start(&plant);
        int stored = count(&plant, "telemetry");
        assert_in_range(stored, plant.answered, plant.next);
        assert_in_range(count(&plant, "score"), 0, stored);
        lost += plant.next - stored;
        plant.next = stored; /* what has had no answer is sent again */
        plant.answered = stored;
    }
    for (int before = -1, now = 0; now != before;) {
        before = now;
        score(&plant);
        now = count(&plant, "score");
    }
    assert_int_equal(count(&plant, "score"), plant.next);
    assert_true(lost > 0); /* else this has tried nothing */
    disk.folder[0] = '\0';
    stop(&plant);
    for (size_t i = 0; i < disk.n; i++) {
        mw_buffer_free(&disk.file[i].content);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_power_cuts, place_set_up_sqlite, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
