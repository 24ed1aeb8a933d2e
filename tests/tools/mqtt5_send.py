#!/usr/bin/env python3
"""mqtt5_send.py PORT FOLDER TOPIC TEXT...: an independent MQTT 5 peer (paho-mqtt) over TLS, with the
certificates in FOLDER (certificates.sh).

Publishes each text at QoS 1 with properties, all but the first by topic alias alone, and ends once
the broker has them. Exit status 77: paho-mqtt is not installed."""
import sys
import threading

try:
    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
except ImportError:
    sys.exit(77)

port, folder, topic, *texts = sys.argv[1:]
client = mqtt.Client("press", protocol=mqtt.MQTTv5)
client.tls_set(f"{folder}/ca.pem", f"{folder}/client.pem", f"{folder}/client.key")
connected = threading.Event()
client.on_connect = lambda *_: connected.set()
client.connect("localhost", int(port))
client.loop_start()
if not connected.wait(30):
    sys.exit("no connection")
said = Properties(PacketTypes.PUBLISH)
said.ContentType = "application/json"
said.PayloadFormatIndicator = 1
said.MessageExpiryInterval = 3600
said.UserProperty = [("unit", "A"), ("unit", "°C")]
said.TopicAlias = 5
for number, text in enumerate(texts):
    client.publish(topic if number == 0 else "", text, qos=1, properties=said).wait_for_publish(30)
client.disconnect()
client.loop_stop()
