#!/usr/bin/env python3
"""kafka-python: the same commands as confluent.py, without administration."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import kafka        # noqa: E402
import records      # noqa: E402

WAIT_S = 60

def produce(bootstrap, topic, codec, path, mode=""):
    producer = kafka.KafkaProducer(bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec,
                                   acks="all", linger_ms=20, max_request_size=1000000, retries=5)
    futures = [producer.send(topic, record.value, record.key, list(record.headers), record.partition,
                             record.timestamp) for record in records.file_read(path)]
    producer.flush(WAIT_S)
    for future in futures:
        future.get(WAIT_S)
    producer.close()

def consume(bootstrap, topic, count, group=None):
    consumer = kafka.KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, check_crcs=True,
                                   group_id=group, auto_offset_reset="earliest" if group else "none",
                                   consumer_timeout_ms=WAIT_S * 1000)
    if group:
        consumer.subscribe([topic])
    else:
        consumer.assign([kafka.TopicPartition(topic, p) for p in range(records.PARTITIONS)])
        consumer.seek_to_beginning()
    left = int(count)
    for message in consumer:
        assert message.timestamp_type == 0, f"timestamp type {message.timestamp_type}"
        print(records.encode(records.Record(message.partition, message.timestamp, message.key, message.value,
                                            tuple(message.headers), message.offset), True))
        left -= 1
        if not left:
            break
    assert not left, f"{left} records missing"
    if group:
        consumer.commit()
    consumer.close()

def version():
    print(f"kafka-python {kafka.__version__}")

if __name__ == "__main__":
    {"produce": produce, "consume": consume, "version": version}[sys.argv[1]](*sys.argv[2:])
