/* bridge_dead.c - what cannot be used is kept with the reason, so that a person can find out why.
 */
#include "tiers/platform/bridge_intake.h"

#include "tiers/platform/json_text.h"

enum { PAYLOAD_SHOWN = 4096 }; /* bytes */

static mw_err print_dead(struct mw_buffer *out, const struct mw_bridge_dead *dead, int64_t now)
{
    mw_err err = mw_buffer_printf(out, "{\"v\":1,\"topic\":");
    if (err == MW_OK) {
        err = mw_json_add_string(out, dead->topic);
    }
    if (err == MW_OK && dead->device.size > 0) {
        err = mw_buffer_printf(out, ",\"device\":\"%.*s\"", (int)dead->device.size,
                               dead->device.data);
    }
    if (err == MW_OK && dead->numbered) {
        err = mw_buffer_printf(out, ",\"boot\":%lu,\"seq\":%llu", (unsigned long)dead->boot,
                               (unsigned long long)dead->seq);
    }
    if (err == MW_OK) {
        err = mw_buffer_printf(out, ",\"reason\":");
    }
    if (err == MW_OK) {
        err = mw_json_add_string(out, mw_span_of(dead->reason));
    }
    if (err == MW_OK) {
        err = mw_buffer_printf(out, ",\"where\":%lu,\"payload\":", (unsigned long)dead->where);
    }
    struct mw_span shown = dead->payload;
    shown.size = shown.size > PAYLOAD_SHOWN ? PAYLOAD_SHOWN : shown.size;
    if (err == MW_OK) {
        err = mw_json_add_string(out, shown);
    }
    if (err == MW_OK) {
        err = mw_buffer_printf(out, ",\"received\":");
    }
    if (err == MW_OK) {
        err = mw_json_add_time(out, now);
    }
    return err == MW_OK ? mw_buffer_add(out, "}", 1) : err;
}

mw_err mw_bridge_bury(struct mw_bridge_intake *intake, const struct mw_bridge_dead *dead)
{
    struct mw_bridge_round *round = &intake->round;
    mw_err err = mw_bridge_round_open(round, "dead", false, dead->device);
    if (err != MW_OK) {
        return err;
    }
    err = print_dead(&round->text, dead, intake->clock.now(intake->clock.context));
    if (err != MW_OK) {
        mw_bridge_round_drop(round);
        return err;
    }
    mw_bridge_round_close(round);
    intake->counts.dead++;
    return MW_OK;
}
