"""The benchmark's jobs as Python's tutorials for Kafka do it: a message at a time, flushed and committed every 500 of them.

Arguments: BROKERS INPUT OUTPUT JOB. Runs until SIGTERM.
"""

import json
import signal
import sys

from confluent_kafka import Consumer, KafkaException, Producer

from flights import step

brokers, source, target, job = sys.argv[1:5]
running = True


def stop(*_):
    global running
    running = False


def dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def delivered(error, _message):
    if error is not None:
        raise KafkaException(error)


signal.signal(signal.SIGTERM, stop)
apply = step(job, json.loads, dumps)
consumer = Consumer(
    {"bootstrap.servers": brokers, "group.id": target, "auto.offset.reset": "earliest", "enable.auto.commit": False}
)
# the partitioner is Java's, so that a record keeps its partition
producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random"})
consumer.subscribe([source])
count = 0
while running:
    message = consumer.poll(0.1)
    if message is not None:
        if message.error():
            raise KafkaException(message.error())
        producer.produce(target, key=message.key(), value=apply(message.value()), on_delivery=delivered)
        count += 1
    if count == 500 or (count and message is None):
        producer.flush()
        consumer.commit(asynchronous=False)
        count = 0
producer.flush()
if count:
    consumer.commit(asynchronous=False)
consumer.close()
