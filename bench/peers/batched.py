"""The benchmark's jobs in Python as fast as plain Python goes: a thousand messages a call, orjson, timestamps and headers kept.

Arguments: BROKERS INPUT OUTPUT JOB. Runs until SIGTERM.
"""

import signal
import sys

import orjson
from confluent_kafka import Consumer, KafkaException, Producer

from flights import step

brokers, source, target, job = sys.argv[1:5]
running = True
failures = []


def stop(*_):
    global running
    running = False


def delivered(error, _message):
    if error is not None:
        failures.append(error)


signal.signal(signal.SIGTERM, stop)
apply = step(job, orjson.loads, orjson.dumps)
consumer = Consumer(
    {"bootstrap.servers": brokers, "group.id": target, "auto.offset.reset": "earliest", "enable.auto.commit": False}
)
# the partitioner is Java's, so that a record keeps its partition; the queue holds what is read between two flushes
producer = Producer(
    {
        "bootstrap.servers": brokers,
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "queue.buffering.max.messages": 1000000,
    }
)
consumer.subscribe([source])
count = 0


def settle():
    if producer.flush() or failures:
        raise KafkaException(*failures[:1])
    consumer.commit(asynchronous=False)


while running:
    messages = consumer.consume(1000, 0.1)
    for message in messages:
        if message.error():
            raise KafkaException(message.error())
        producer.produce(
            target,
            key=message.key(),
            value=apply(message.value()),
            timestamp=message.timestamp()[1],
            headers=message.headers(),
            on_delivery=delivered,
        )
    producer.poll(0)
    count += len(messages)
    if count >= 20000 or (count and not messages):
        settle()
        count = 0
if count:
    settle()
consumer.close()
