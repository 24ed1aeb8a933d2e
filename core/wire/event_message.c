/* event_message.c - maintenance facts. */
#include "core/wire/json.h"
#include "core/wire/wire_internal.h"

enum { V, ID, MACHINE, TYPE, FINDING, TIME, BY, N_KEYS };
static const struct mw_wire_key keys[N_KEYS] = {
    [V] = MW_WIRE_KEY_V,
    [ID] = MW_WIRE_KEY("id", "an identifier of 1 to 127 bytes"),
    [MACHINE] = MW_WIRE_KEY("machine", "a name of a-z, 0-9 and -"),
    [TYPE] = MW_WIRE_KEY("type", "failure, repair or inspection"),
    [FINDING] = MW_WIRE_KEY("finding", "fault, no_fault or none, and possible with the type"),
    [TIME] = MW_WIRE_KEY("time", "a number of seconds"),
    [BY] = MW_WIRE_KEY("by", "a string"),
};

static mw_err read_type(const struct mw_wire_fields *f, enum mw_event_type *type)
{
    struct mw_span text;
    mw_err err = mw_wire_fields_string(f, TYPE, &text);
    if (err != MW_OK) {
        return err;
    }
    for (enum mw_event_type t = MW_EVENT_FAILURE; t <= MW_EVENT_INSPECTION; t++) {
        if (mw_span_is(text, mw_event_type_name(t))) {
            *type = t;
            return MW_OK;
        }
    }
    return mw_wire_fields_fail(f, TYPE, MW_ERR_PARSE);
}

/* Without the key: not found out yet. A failure is its own finding: "fault" says nothing more, and
 * "no_fault" contradicts it. */
static mw_err read_finding(const struct mw_wire_fields *f, enum mw_event_type type,
                           enum mw_finding *finding)
{
    *finding = MW_FINDING_NONE;
    if (!mw_wire_fields_has(f, FINDING)) {
        return MW_OK;
    }
    struct mw_span text;
    mw_err err = mw_wire_fields_string(f, FINDING, &text);
    if (err != MW_OK || mw_span_is(text, mw_finding_name(MW_FINDING_NONE))) {
        return err;
    }
    if (mw_span_is(text, mw_finding_name(MW_FINDING_FAULT))) {
        *finding = type == MW_EVENT_FAILURE ? MW_FINDING_NONE : MW_FINDING_FAULT;
        return MW_OK;
    }
    if (mw_span_is(text, mw_finding_name(MW_FINDING_NO_FAULT)) && type != MW_EVENT_FAILURE) {
        *finding = MW_FINDING_NO_FAULT;
        return MW_OK;
    }
    return mw_wire_fields_fail(f, FINDING, MW_ERR_PARSE);
}

mw_err mw_wire_read_event(const struct mw_wire_parser *p, size_t i, struct mw_event *out,
                          struct mw_why *why)
{
    struct mw_wire_fields f;
    mw_err err = mw_wire_fields_open(&f, p, i, keys, N_KEYS, why);
    err = err == MW_OK ? mw_wire_fields_version(&f) : err;
    err = err == MW_OK ? mw_wire_fields_id(&f, ID, &out->id) : err;
    err = err == MW_OK ? mw_wire_fields_name(&f, MACHINE, &out->machine) : err;
    err = err == MW_OK ? read_type(&f, &out->type) : err;
    err = err == MW_OK ? read_finding(&f, out->type, &out->finding) : err;
    err = err == MW_OK ? mw_wire_fields_time(&f, TIME, &out->time) : err;
    out->by = (struct mw_span){NULL, 0};
    return err == MW_OK && mw_wire_fields_has(&f, BY) ? mw_wire_fields_string(&f, BY, &out->by)
                                                      : err;
}

static bool valid(const struct mw_event *in)
{
    bool type_known = in->type == MW_EVENT_FAILURE || in->type == MW_EVENT_REPAIR ||
                      in->type == MW_EVENT_INSPECTION;
    bool finding_fits = in->finding == MW_FINDING_NONE ||
                        (in->type != MW_EVENT_FAILURE &&
                         (in->finding == MW_FINDING_FAULT || in->finding == MW_FINDING_NO_FAULT));
    return mw_wire_id_valid(in->id) && mw_name_valid(in->machine) && type_known && finding_fits &&
           mw_json_string_valid(in->by);
}

mw_err mw_wire_write_event(char *text, size_t capacity, size_t *length, const struct mw_event *in)
{
    if (!valid(in)) {
        return MW_ERR_ARGUMENT;
    }
    struct mw_wire_text t = {text, capacity, 0};
    mw_wire_text_literal(&t, "{\"v\":1");
    mw_wire_text_string(&t, "id", in->id);
    mw_wire_text_string(&t, "machine", in->machine);
    mw_wire_text_string(&t, "type", mw_span_of(mw_event_type_name(in->type)));
    mw_wire_text_string(&t, "finding", mw_span_of(mw_finding_name(in->finding)));
    mw_wire_text_time(&t, "time", in->time);
    if (in->by.size > 0) {
        mw_wire_text_string(&t, "by", in->by);
    }
    mw_wire_text_literal(&t, "}");
    return mw_wire_text_end(&t, length);
}
