/* json_fuzz.c - any bytes as a message, read as every kind; what is read as a record must write and
 * read back as the same. */
#include "core/wire/message.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOKENS = 4096, BYTES = 128 * 1024, TEXT = 1 << 20 };

static alignas(16) char memory[BYTES], memory_again[BYTES];
static struct mw_telemetry record, again;
static struct mw_sketch_record sketch, sketch_again;
static char text[TEXT];

static void must(int holds)
{
    if (!holds) {
        abort();
    }
}

static struct mw_wire_parser *open_parser(void *space)
{
    struct mw_wire_parser *parser = NULL;
    must(mw_wire_parser_size(TOKENS) <= BYTES);
    must(mw_wire_parser_init(space, BYTES, &parser) == MW_OK);
    return parser;
}

static struct mw_wire_parser *reopen(size_t length)
{
    struct mw_wire_parser *parser = open_parser(memory_again);
    must(mw_wire_open(parser, (struct mw_span){text, length}, NULL) == MW_OK);
    must(mw_wire_count(parser) == 1);
    return parser;
}

static void check_telemetry(void)
{
    size_t length = 0;
    must(mw_wire_write_telemetry(text, sizeof text, &length, &record) == MW_OK);
    must(mw_wire_read_telemetry(reopen(length), 0, &again, NULL) == MW_OK);
    must(mw_span_equal(record.device, again.device));
    must(mw_span_equal(record.machine, again.machine));
    must(record.numbered == again.numbered && record.boot == again.boot);
    must(record.seq == again.seq && record.time == again.time);
    must(record.time_unknown == again.time_unknown && record.p == again.p);
    must(record.n_features == again.n_features);
    for (size_t i = 0; i < record.n_features; i++) {
        must(mw_span_equal(record.features[i].name, again.features[i].name));
        must(memcmp(&record.features[i].value, &again.features[i].value, sizeof(float)) == 0);
    }
}

static void check_sketch(void)
{
    size_t length = 0;
    must(mw_wire_write_sketch(text, sizeof text, &length, &sketch) == MW_OK);
    must(mw_wire_read_sketch(reopen(length), 0, &sketch_again, NULL) == MW_OK);
    must(sketch.seq == sketch_again.seq && sketch.n_features == sketch_again.n_features);
    must(memcmp(&sketch.score, &sketch_again.score, sizeof sketch.score) == 0);
    must(memcmp(sketch.features, sketch_again.features,
                sketch.n_features * sizeof sketch.features[0]) == 0);
}

static void check_others(const struct mw_wire_parser *parser, size_t i, struct mw_why *why)
{
    struct mw_score score;
    struct mw_event event;
    struct mw_command command;
    struct mw_ack ack;
    size_t length;
    if (mw_wire_read_score(parser, i, &score, why) == MW_OK) {
        must(mw_wire_write_score(text, sizeof text, &length, &score) == MW_OK);
    }
    if (mw_wire_read_event(parser, i, &event, why) == MW_OK) {
        must(mw_wire_write_event(text, sizeof text, &length, &event) == MW_OK);
    }
    if (mw_wire_read_command(parser, i, &command, why) == MW_OK) {
        must(mw_wire_write_command(text, sizeof text, &length, &command) == MW_OK);
    }
    if (mw_wire_read_ack(parser, i, &ack, why) == MW_OK) {
        must(mw_wire_write_ack(text, sizeof text, &length, &ack) == MW_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_wire_parser *parser = open_parser(memory);
    struct mw_why why = {NULL, 0};
    if (mw_wire_open(parser, (struct mw_span){(const char *)data, size}, &why) != MW_OK) {
        must(why.text != NULL && why.where <= size);
        return 0;
    }
    must(mw_wire_count(parser) >= 1 && mw_wire_count(parser) <= MW_BATCH_MAX);
    for (size_t i = 0; i < mw_wire_count(parser); i++) {
        struct mw_span item = mw_wire_item(parser, i);
        must(item.size >= 2 && item.data[0] == '{' && item.data[item.size - 1] == '}');
        if (mw_wire_read_telemetry(parser, i, &record, &why) == MW_OK) {
            check_telemetry();
        }
        if (mw_wire_read_sketch(parser, i, &sketch, &why) == MW_OK) {
            check_sketch();
        }
        check_others(parser, i, &why);
        must(why.where <= size);
    }
    return 0;
}
