/* reason.c - MQTT 5's reason codes in words (section 2.4). */
#include "lib/mqtt/packet.h"

const char *mw_mqtt_reason_text(uint8_t code)
{
    static const struct {
        uint8_t code;
        const char *text;
    } reasons[] = {
        {0x00, "success"},
        {0x01, "granted QoS 1"},
        {0x02, "granted QoS 2"},
        {0x04, "disconnected with its will"},
        {0x10, "no matching subscribers"},
        {0x80, "unspecified error"},
        {0x81, "malformed packet"},
        {0x82, "protocol error"},
        {0x83, "not accepted by this broker"},
        {0x84, "protocol version not supported"},
        {0x85, "client identifier not valid"},
        {0x86, "bad user name or password"},
        {0x87, "not authorised"},
        {0x88, "broker unavailable"},
        {0x89, "broker busy"},
        {0x8a, "banned"},
        {0x8b, "broker is shutting down"},
        {0x8c, "bad authentication method"},
        {0x8d, "no packet came within the keep-alive time"},
        {0x8e, "another client took over the client identifier"},
        {0x8f, "topic filter not valid"},
        {0x90, "topic name not valid"},
        {0x91, "packet identifier in use"},
        {0x92, "packet identifier not found"},
        {0x93, "more messages without acknowledgement than the receive maximum"},
        {0x94, "topic alias not valid"},
        {0x95, "packet too large"},
        {0x96, "message rate too high"},
        {0x97, "quota exceeded"},
        {0x98, "ended by an administrator"},
        {0x99, "payload is not in the format that it claims"},
        {0x9a, "retained messages not supported"},
        {0x9b, "QoS not supported"},
        {0x9c, "use another server"},
        {0x9d, "server has moved"},
        {0x9e, "shared subscriptions not supported"},
        {0x9f, "connection rate too high"},
        {0xa0, "maximum connect time is over"},
        {0xa1, "subscription identifiers not supported"},
        {0xa2, "wildcard subscriptions not supported"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].code == code) {
            return reasons[i].text;
        }
    }
    return "unknown reason";
}
