/* message.c - the words that messages share: names, bands, events, findings. */
#include "core/wire/message.h"
#include "core/wire/json.h"
#include "core/wire/wire_internal.h"

bool mw_name_valid(struct mw_span name)
{
    if (name.size == 0 || name.size > MW_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') {
            return false;
        }
    }
    return true;
}

bool mw_feature_name_valid(struct mw_span name)
{
    return name.size > 0 && name.size <= MW_FEATURE_NAME_MAX && mw_json_string_plain(name);
}

bool mw_wire_id_valid(struct mw_span id)
{
    return id.size > 0 && id.size <= MW_ID_MAX && mw_json_string_plain(id);
}

const char *mw_band_name(enum mw_band band)
{
    switch (band) {
    case MW_BAND_NORMAL:
        return "normal";
    case MW_BAND_IMPENDING:
        return "impending";
    case MW_BAND_IMMEDIATE:
        return "immediate";
    }
    return "unknown";
}

enum mw_band mw_band_of(float score)
{
    return score >= 0.8F ? MW_BAND_IMMEDIATE : score >= 0.5F ? MW_BAND_IMPENDING : MW_BAND_NORMAL;
}

const char *mw_event_type_name(enum mw_event_type type)
{
    switch (type) {
    case MW_EVENT_FAILURE:
        return "failure";
    case MW_EVENT_REPAIR:
        return "repair";
    case MW_EVENT_INSPECTION:
        return "inspection";
    }
    return "unknown";
}

const char *mw_finding_name(enum mw_finding finding)
{
    switch (finding) {
    case MW_FINDING_NONE:
        return "none";
    case MW_FINDING_FAULT:
        return "fault";
    case MW_FINDING_NO_FAULT:
        return "no_fault";
    }
    return "unknown";
}

/* Mixes the length and a few bytes: names of features often differ only at their end. */
static unsigned hash_name(struct mw_span name)
{
    unsigned char first = (unsigned char)name.data[0];
    unsigned char middle = (unsigned char)name.data[name.size / 2];
    unsigned char last = (unsigned char)name.data[name.size - 1];
    return ((unsigned)name.size * 37U + first * 5U + middle * 19U + last * 11U) & 0xFFU;
}

bool mw_wire_name_set_add(struct mw_wire_name_set *set, const struct mw_span *names, size_t stride,
                          size_t n)
{
    const char *base = (const char *)names;
    const struct mw_span *added = (const struct mw_span *)(base + n * stride);
    unsigned hash = hash_name(*added);
    uint64_t bit = (uint64_t)1 << (hash & 63);
    if ((set->bits[hash >> 6] & bit) != 0) {
        for (size_t i = 0; i < n; i++) {
            if (mw_span_equal(*(const struct mw_span *)(base + i * stride), *added)) {
                return false;
            }
        }
    }
    set->bits[hash >> 6] |= bit;
    return true;
}
