/* Any bytes as a Sparkplug B topic and as a payload; what is read must be written and read back as
 * the same. */
#include "core/wire/sparkplug.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char text[1 << 20];

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static bool lies_in(struct mw_span part, struct mw_span all)
{
    return part.size == 0 ||
           (part.data >= all.data && part.data + part.size <= all.data + all.size);
}

static void check_topic(struct mw_span bytes)
{
    struct mw_sparkplug_topic topic;
    if (mw_sparkplug_read_topic(bytes, &topic) == MW_OK) {
        must(topic.node.size > 0 && lies_in(topic.node, bytes) && lies_in(topic.group, bytes) &&
             lies_in(topic.device, bytes));
        must((topic.kind == MW_SPARKPLUG_STATE) == (topic.group.size == 0));
        must((topic.device.size > 0) ==
             (topic.kind >= MW_SPARKPLUG_DBIRTH && topic.kind <= MW_SPARKPLUG_DCMD));
    }
}

static void check_same(const struct mw_sparkplug_metric *a, const struct mw_sparkplug_metric *b)
{
    must(a->has_name == b->has_name && mw_span_equal(a->name, b->name));
    must(a->has_alias == b->has_alias && a->alias == b->alias);
    must(a->has_time == b->has_time && a->time == b->time);
    must(a->type == b->type && a->value == b->value);
    must(a->historical == b->historical && a->transient == b->transient);
    if (a->value == MW_SPARKPLUG_AS_INTEGER || a->value == MW_SPARKPLUG_AS_BOOLEAN) {
        must(a->integer == b->integer);
    }
    if (a->value == MW_SPARKPLUG_AS_TEXT) {
        must(mw_span_equal(a->text, b->text));
    }
    float x = 0, y = 0;
    mw_err err = mw_sparkplug_number(a, a->type, &x);
    must(err == mw_sparkplug_number(b, b->type, &y) && memcmp(&x, &y, sizeof x) == 0);
    must(err != MW_OK || x - x == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mw_span bytes = {(const char *)data, size};
    struct mw_sparkplug_payload payload, again;
    struct mw_sparkplug_metric metric, other;
    struct mw_sparkplug_writer writer;
    size_t n = 0, length = 0;
    check_topic(bytes);
    if (mw_sparkplug_open(&payload, bytes, NULL) != MW_OK) {
        return 0;
    }
    mw_sparkplug_begin(&writer, text, sizeof text, payload.time);
    for (; mw_sparkplug_next(&payload, &metric); n++) {
        must(lies_in(metric.name, bytes) && lies_in(metric.text, bytes));
        mw_sparkplug_add(&writer, &metric);
    }
    must(n == payload.n_metrics);
    if (mw_sparkplug_end(&writer, payload.has_seq ? &payload.seq : NULL, &length) != MW_OK) {
        return 0;
    }
    must(mw_sparkplug_open(&again, (struct mw_span){text, length}, NULL) == MW_OK);
    must(again.has_time && again.time == payload.time && again.n_metrics == n);
    must(again.has_seq == payload.has_seq && again.seq == payload.seq);
    payload.at = 0;
    while (mw_sparkplug_next(&payload, &metric)) {
        must(mw_sparkplug_next(&again, &other));
        check_same(&metric, &other);
    }
    return 0;
}
