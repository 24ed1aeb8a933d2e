/* text.c - what MQTT takes for a topic and a filter (sections 1.5.3 and 4.7 of the standard). */
#include "lib/mqtt/packet.h"

/* The length of the UTF-8 character at data, 0 when there is none: over-long forms, surrogates,
 * what lies past U+10FFFF, and U+0000. */
static size_t character(const unsigned char *data, size_t size)
{
    unsigned char c = data[0];
    if (c < 0x80) {
        return c == 0 ? 0 : 1;
    }
    size_t length = c >= 0xc2 && c < 0xe0   ? 2
                    : (c & 0xf0) == 0xe0    ? 3
                    : c >= 0xf0 && c < 0xf5 ? 4
                                            : 0;
    if (length == 0 || length > size) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((data[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool over_long = (c == 0xe0 && data[1] < 0xa0) || (c == 0xf0 && data[1] < 0x90);
    bool surrogate = c == 0xed && data[1] >= 0xa0;
    bool too_high = c == 0xf4 && data[1] >= 0x90;
    return over_long || surrogate || too_high ? 0 : length;
}

bool mw_mqtt_text_ok(struct mw_span text)
{
    if (text.size > MW_MQTT_TEXT_MAX) {
        return false;
    }
    const unsigned char *data = (const unsigned char *)text.data;
    for (size_t at = 0; at < text.size;) {
        size_t length = character(data + at, text.size - at);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

bool mw_mqtt_topic_ok(struct mw_span topic)
{
    for (size_t i = 0; i < topic.size; i++) {
        if (topic.data[i] == '+' || topic.data[i] == '#') {
            return false;
        }
    }
    return topic.size > 0 && mw_mqtt_text_ok(topic);
}

/* Takes "$share/group/" off; false when that is there and malformed. */
static bool take_group(struct mw_span *filter)
{
    static const char share[] = "$share/";
    const size_t size = sizeof(share) - 1;
    if (filter->size < size || memcmp(filter->data, share, size) != 0) {
        return true;
    }
    size_t at = size;
    while (at < filter->size && filter->data[at] != '/') {
        if (filter->data[at] == '+' || filter->data[at] == '#') {
            return false;
        }
        at++;
    }
    if (at == size || at == filter->size) {
        return false;
    }
    *filter = (struct mw_span){filter->data + at + 1, filter->size - at - 1};
    return true;
}

bool mw_mqtt_filter_shared(struct mw_span filter)
{
    struct mw_span rest = filter;
    return take_group(&rest) && rest.size < filter.size;
}

bool mw_mqtt_filter_ok(struct mw_span filter)
{
    if (!mw_mqtt_text_ok(filter) || !take_group(&filter) || filter.size == 0) {
        return false;
    }
    for (size_t i = 0; i < filter.size; i++) {
        char c = filter.data[i];
        if (c != '+' && c != '#') {
            continue;
        }
        bool first = i == 0 || filter.data[i - 1] == '/';
        bool last = i + 1 == filter.size;
        if (!first || !(last || (c == '+' && filter.data[i + 1] == '/'))) {
            return false;
        }
    }
    return true;
}

uint32_t mw_mqtt_text_hash(struct mw_span text)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < text.size; i++) {
        hash = (hash ^ (uint8_t)text.data[i]) * 16777619U;
    }
    return hash;
}
