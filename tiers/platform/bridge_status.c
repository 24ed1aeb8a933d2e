/* bridge_status.c - what things report of themselves, answer to commands, and ask for.
 *
 *   {"v":1,"device":D,"boot":B,"last_seq":N,"oldest":{"boot":B,"seq":N}?,"reported":{...}, ...}
 *   {"v":1,"device":D,"answer":{"id":I,"result":R}, ...}
 *   {"v":1,"device":D,"want":{"digest":S,"offset":N}}
 *   {"v":1,"device":D,"gone":true}
 *
 * A status with boot and last_seq is answered with an ack. `oldest` is the first record that the
 * thing can still send: what lies before it and was not acknowledged has been given up. */
#include "tiers/platform/bridge_intake.h"

#include "core/wire/number.h"
#include "lib/base/log.h"
#include "tiers/platform/json_text.h"

#include <stdlib.h>
#include <string.h>

static mw_err get_u64(const struct mw_wire_parser *parser, const char *key, uint64_t *value)
{
    struct mw_span text;
    mw_err err = mw_wire_get(parser, 0, key, &text);
    return err == MW_OK ? mw_number_parse_u64(text, value) : err;
}

static void copy_digest(const struct mw_wire_parser *parser, const char *key,
                        char digest[MW_DIGEST_TEXT])
{
    struct mw_span text;
    digest[0] = '\0';
    if (mw_wire_get(parser, 0, key, &text) == MW_OK && mw_digest_valid(text)) {
        memcpy(digest, text.data, text.size);
        digest[text.size] = '\0';
    }
}

/* Few things ever refuse a bundle. Without memory it is as if this one had not, and it is told
 * again. */
static void copy_refused(const struct mw_wire_parser *parser, struct mw_bridge_device *device)
{
    char digest[MW_DIGEST_TEXT];
    copy_digest(parser, "refused", digest);
    free(device->refused);
    device->refused = digest[0] == '\0' ? NULL : strdup(digest);
}

/* Numbers that the thing has given up are passed over, or it would wait for ever. */
static void skip_to_oldest(struct mw_bridge_intake *intake, struct mw_bridge_device *device,
                           struct mw_span oldest)
{
    uint64_t boot, seq, skipped;
    if (mw_wire_open(intake->inner, oldest, NULL) != MW_OK ||
        get_u64(intake->inner, "boot", &boot) != MW_OK || boot > UINT32_MAX ||
        get_u64(intake->inner, "seq", &seq) != MW_OK ||
        !mw_bridge_skip(device, (uint32_t)boot, seq, &skipped)) {
        return;
    }
    mw_log(MW_LOG_WARN, device->name, "thing has given up records", MW_KI("count", skipped),
           MW_KI("boot", boot), MW_KI("next", seq));
    mw_bridge_touch(intake, device, true, true);
}

static void read_reported(struct mw_bridge_intake *intake, struct mw_bridge_device *device,
                          struct mw_span reported)
{
    if (mw_wire_open(intake->inner, reported, NULL) != MW_OK) {
        return;
    }
    copy_digest(intake->inner, "bundle", device->reported);
    copy_refused(intake->inner, device);
}

static void take_numbers(struct mw_bridge_intake *intake, struct mw_bridge_device *device)
{
    const struct mw_wire_parser *parser = intake->parser;
    struct mw_span last, oldest, reported;
    uint64_t boot;
    if (get_u64(parser, "boot", &boot) != MW_OK || boot > UINT32_MAX ||
        mw_wire_get(parser, 0, "last_seq", &last) != MW_OK ||
        mw_number_parse_i64(last, &device->last_seq) != MW_OK) {
        return;
    }
    device->heard = true;
    device->gone = false;
    device->status_boot = (uint32_t)boot;
    mw_bridge_touch(intake, device, false, true);
    if (mw_wire_get(parser, 0, "oldest", &oldest) == MW_OK) {
        skip_to_oldest(intake, device, oldest);
    }
    if (mw_wire_get(parser, 0, "reported", &reported) == MW_OK) {
        read_reported(intake, device, reported);
    }
    if (intake->hooks.reported != NULL) {
        intake->hooks.reported(intake->hooks.context, device);
    }
}

static void take_answer(struct mw_bridge_intake *intake, struct mw_span answer)
{
    struct mw_span id, result = {NULL, 0};
    if (mw_wire_open(intake->inner, answer, NULL) == MW_OK &&
        mw_wire_get(intake->inner, 0, "id", &id) == MW_OK && intake->hooks.answered != NULL) {
        (void)mw_wire_get(intake->inner, 0, "result", &result);
        intake->hooks.answered(intake->hooks.context, id, result);
    }
}

static void take_want(struct mw_bridge_intake *intake, struct mw_bridge_device *device,
                      struct mw_span want)
{
    struct mw_span digest;
    uint64_t offset = 0;
    if (mw_wire_open(intake->inner, want, NULL) == MW_OK &&
        mw_wire_get(intake->inner, 0, "digest", &digest) == MW_OK && mw_digest_valid(digest) &&
        get_u64(intake->inner, "offset", &offset) == MW_OK && intake->hooks.wanted != NULL) {
        intake->hooks.wanted(intake->hooks.context, device, digest, offset);
    }
}

static mw_err keep_status(struct mw_bridge_intake *intake, struct mw_bridge_device *device,
                          struct mw_span text)
{
    struct mw_bridge_round *round = &intake->round;
    mw_err err = mw_bridge_round_open(round, "status", false, device->key.name);
    if (err != MW_OK) {
        return err;
    }
    err = mw_buffer_add(&round->text, text.data, text.size - 1);
    if (err == MW_OK) {
        err = mw_buffer_add(&round->text, ",\"received\":", 12);
    }
    if (err == MW_OK) {
        err = mw_json_add_time(&round->text, intake->clock.now(intake->clock.context));
    }
    if (err == MW_OK) {
        err = mw_buffer_add(&round->text, "}", 1);
    }
    if (err != MW_OK) {
        mw_bridge_round_drop(round);
        return err;
    }
    mw_bridge_round_close(round);
    intake->counts.statuses++;
    return MW_OK;
}

static const char *fault_of(const struct mw_wire_parser *parser, struct mw_span name)
{
    struct mw_span v, device;
    if (mw_wire_count(parser) != 1) {
        return "a status is one object";
    }
    if (mw_wire_get(parser, 0, "v", &v) != MW_OK || !mw_span_is(v, "1")) {
        return "v is not 1";
    }
    if (mw_wire_get(parser, 0, "device", &device) != MW_OK || !mw_span_equal(device, name)) {
        return "device is not that of the topic";
    }
    return mw_wire_has(parser, 0, "received") ? "received is the bridge's to say" : NULL;
}

mw_err mw_bridge_take_status(struct mw_bridge_intake *intake, struct mw_span topic,
                             struct mw_span name, struct mw_span payload)
{
    const struct mw_wire_parser *parser = intake->parser;
    const char *fault = fault_of(parser, name);
    if (fault != NULL) {
        return mw_bridge_bury(
            intake, &(struct mw_bridge_dead){
                        .topic = topic, .device = name, .payload = payload, .reason = fault});
    }
    struct mw_bridge_device *device = mw_bridge_device(&intake->devices, name);
    if (device == NULL) {
        return MW_ERR_MEMORY;
    }
    struct mw_span part;
    if (mw_wire_get(parser, 0, "want", &part) == MW_OK) {
        take_want(intake, device, part);
        return MW_OK;
    }
    if (mw_wire_get(parser, 0, "gone", &part) == MW_OK && mw_span_is(part, "true")) {
        device->gone = true;
    } else {
        take_numbers(intake, device);
    }
    if (mw_wire_get(parser, 0, "answer", &part) == MW_OK) {
        take_answer(intake, part);
    }
    return keep_status(intake, device, mw_wire_item(parser, 0));
}
