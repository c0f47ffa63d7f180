"""The benchmark's jobs in Bytewax, by its own Kafka connectors, on one worker. Bytewax keeps offsets only with recovery, which is off.

Arguments: BROKERS INPUT OUTPUT JOB. Runs until SIGTERM, which ends it at once: what it has read it has flushed.
"""

import sys

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main
from confluent_kafka import OFFSET_BEGINNING

from flights import step

brokers, source, target, job = sys.argv[1:5]
apply = step(job, orjson.loads, orjson.dumps)


def transform(message):
    return KafkaSinkMessage(message.key, apply(message.value), headers=message.headers, timestamp=message.timestamp[1])


flow = Dataflow("peer")
# the batch is as large as the other batched peer's; the partitioner is Java's, so that a record keeps its partition
records = op.input("in", flow, KafkaSource([brokers], [source], starting_offset=OFFSET_BEGINNING, batch_size=1000))
results = op.map("transform", records, transform)
op.output("out", results, KafkaSink([brokers], target, add_config={"partitioner": "murmur2_random"}))
cli_main(flow)
