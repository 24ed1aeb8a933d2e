#!/usr/bin/env python3
"""mqtt5_echo.py PORT USER PASSWORD: an independent MQTT 5 peer (paho-mqtt) on the loopback.

Says "ready" on the retained topic `ready`, and answers what comes on ask/# at the message's own
response topic: a JSON object of what it has seen of it, sent with properties and twice, the second time
by topic alias alone. Exit status 77: paho-mqtt is not installed."""
import json
import sys

try:
    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
except ImportError:
    sys.exit(77)


def seen(message):
    said = message.properties
    return {
        "topic": message.topic, "qos": message.qos, "payload": message.payload.decode(),
        "content_type": getattr(said, "ContentType", None),
        "format": getattr(said, "PayloadFormatIndicator", None),
        "expiry": getattr(said, "MessageExpiryInterval", None),
        "correlation": getattr(said, "CorrelationData", b"").hex(),
        "user": getattr(said, "UserProperty", []),
    }


def on_connect(client, user, flags, reason, properties):
    client.subscribe("ask/#", qos=1)


def on_subscribe(client, user, mid, reasons, properties):
    client.publish("ready", "ready", qos=1, retain=True)


def on_message(client, user, message):
    answer = Properties(PacketTypes.PUBLISH)
    answer.ContentType = "application/json"
    answer.PayloadFormatIndicator = 1
    answer.MessageExpiryInterval = 100
    answer.CorrelationData = message.properties.CorrelationData
    answer.UserProperty = [("answers", message.topic), ("answers", "again")]
    answer.TopicAlias = 3
    text = json.dumps(seen(message), separators=(",", ":"))
    client.publish(message.properties.ResponseTopic, text, qos=1, properties=answer)
    client.publish("", text, qos=1, properties=answer)


client = mqtt.Client("echo", protocol=mqtt.MQTTv5)
client.username_pw_set(sys.argv[2], sys.argv[3])
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_forever()
