/* command_message.c - what goes down to a thing: commands and acknowledgements. */
#include "core/wire/json.h"
#include "core/wire/wire_internal.h"

enum { V, ID, DEVICE, MACHINE, ACTION, TIME, EXPIRES, CAUSE, N_KEYS };
static const struct mw_wire_key keys[N_KEYS] = {
    [V] = MW_WIRE_KEY_V,
    [ID] = MW_WIRE_KEY("id", "an identifier of 1 to 127 bytes"),
    [DEVICE] = MW_WIRE_KEY("device", "a name of a-z, 0-9 and -"),
    [MACHINE] = MW_WIRE_KEY("machine", "a name of a-z, 0-9 and -"),
    [ACTION] = MW_WIRE_KEY("action", "an identifier of 1 to 127 bytes"),
    [TIME] = MW_WIRE_KEY("time", "a number of seconds"),
    [EXPIRES] = MW_WIRE_KEY("expires", "a number of seconds"),
    [CAUSE] = MW_WIRE_KEY("cause", "a string"),
};

enum { ACK_V, ACK_BOOT, ACK_NEXT, N_ACK_KEYS };
static const struct mw_wire_key ack_keys[N_ACK_KEYS] = {
    [ACK_V] = MW_WIRE_KEY_V,
    [ACK_BOOT] = MW_WIRE_KEY("boot", "an integer of 32 bits"),
    [ACK_NEXT] = MW_WIRE_KEY("next", "an integer of 64 bits"),
};

mw_err mw_wire_read_command(const struct mw_wire_parser *p, size_t i, struct mw_command *out,
                            struct mw_why *why)
{
    struct mw_wire_fields f;
    mw_err err = mw_wire_fields_open(&f, p, i, keys, N_KEYS, why);
    err = err == MW_OK ? mw_wire_fields_version(&f) : err;
    err = err == MW_OK ? mw_wire_fields_id(&f, ID, &out->id) : err;
    err = err == MW_OK ? mw_wire_fields_device(&f, DEVICE, MACHINE, &out->device, &out->machine)
                       : err;
    err = err == MW_OK ? mw_wire_fields_id(&f, ACTION, &out->action) : err;
    err = err == MW_OK ? mw_wire_fields_time(&f, TIME, &out->time) : err;
    err = err == MW_OK ? mw_wire_fields_time(&f, EXPIRES, &out->expires) : err;
    out->cause = (struct mw_span){NULL, 0};
    return err == MW_OK && mw_wire_fields_has(&f, CAUSE)
               ? mw_wire_fields_string(&f, CAUSE, &out->cause)
               : err;
}

mw_err mw_wire_write_command(char *text, size_t capacity, size_t *length,
                             const struct mw_command *in)
{
    if (!mw_wire_id_valid(in->id) || !mw_wire_device_valid(in->device, in->machine) ||
        !mw_wire_id_valid(in->action) || !mw_json_string_valid(in->cause)) {
        return MW_ERR_ARGUMENT;
    }
    struct mw_wire_text t = {text, capacity, 0};
    mw_wire_text_device(&t, in->device, in->machine);
    mw_wire_text_string(&t, "id", in->id);
    mw_wire_text_string(&t, "action", in->action);
    mw_wire_text_time(&t, "time", in->time);
    mw_wire_text_time(&t, "expires", in->expires);
    if (in->cause.size > 0) {
        mw_wire_text_string(&t, "cause", in->cause);
    }
    mw_wire_text_literal(&t, "}");
    return mw_wire_text_end(&t, length);
}

mw_err mw_wire_read_ack(const struct mw_wire_parser *p, size_t i, struct mw_ack *out,
                        struct mw_why *why)
{
    struct mw_wire_fields f;
    mw_err err = mw_wire_fields_open(&f, p, i, ack_keys, N_ACK_KEYS, why);
    err = err == MW_OK ? mw_wire_fields_version(&f) : err;
    err = err == MW_OK ? mw_wire_fields_u32(&f, ACK_BOOT, &out->boot) : err;
    return err == MW_OK ? mw_wire_fields_u64(&f, ACK_NEXT, &out->next) : err;
}

mw_err mw_wire_write_ack(char *text, size_t capacity, size_t *length, const struct mw_ack *in)
{
    struct mw_wire_text t = {text, capacity, 0};
    mw_wire_text_literal(&t, "{\"v\":1");
    mw_wire_text_u64(&t, "boot", in->boot);
    mw_wire_text_u64(&t, "next", in->next);
    mw_wire_text_literal(&t, "}");
    return mw_wire_text_end(&t, length);
}
