#!/usr/bin/env python3
"""confluent-kafka (librdkafka): produce, consume and a little administration.

    confluent.py produce BOOTSTRAP TOPIC CODEC FILE [idempotent]
    confluent.py consume BOOTSTRAP TOPIC COUNT [GROUP]
    confluent.py admin BOOTSTRAP
    confluent.py version
"""
import os, sys, time, uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import confluent_kafka as ck                                        # noqa: E402
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic  # noqa: E402
import records                                                      # noqa: E402

WAIT_S = 60

def produce(bootstrap, topic, codec, path, mode=""):
    done, errors = [], []
    producer = ck.Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 20,
                            "enable.idempotence": mode == "idempotent", "message.max.bytes": 1000000})
    def delivered(error, message):
        (errors if error else done).append(error or message.offset())
    sent = records.file_read(path)
    for record in sent:
        while True:
            try:
                producer.produce(topic, record.value, record.key, record.partition, delivered,
                                 timestamp=record.timestamp, headers=list(record.headers))
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(WAIT_S)
    assert not errors, errors[0]
    assert len(done) == len(sent), f"{len(done)} of {len(sent)} acknowledged"

def consumer_of(bootstrap, topic, group):
    consumer = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": group or "assigned-only", "check.crcs": True,
                            "enable.auto.commit": False, "auto.offset.reset": "earliest" if group else "error"})
    if group:
        consumer.subscribe([topic])
    else:
        consumer.assign([ck.TopicPartition(topic, p, ck.OFFSET_BEGINNING) for p in range(records.PARTITIONS)])
    return consumer

def consume(bootstrap, topic, count, group=None):
    consumer = consumer_of(bootstrap, topic, group)
    end = time.monotonic() + WAIT_S
    left = int(count)
    while left:
        assert time.monotonic() < end, f"{left} records missing"
        message = consumer.poll(1)
        if message is None:
            continue
        assert not message.error(), message.error()
        kind, timestamp = message.timestamp()
        assert kind == ck.TIMESTAMP_CREATE_TIME, f"timestamp type {kind}"
        print(records.encode(records.Record(message.partition(), timestamp, message.key(), message.value(),
                                            tuple(message.headers() or ()), message.offset()), True))
        left -= 1
    if group:
        consumer.commit(asynchronous=False)
    consumer.close()
    sys.stdout.flush()
    # Version 1.7 gives away None once too often per null header: its interpreter cannot end well.
    os._exit(0)

def results(futures):
    for future in futures.values():
        future.result(WAIT_S)

def wait_for(what, test):
    end = time.monotonic() + 20
    while not test():
        assert time.monotonic() < end, what
        time.sleep(0.1)

def admin(bootstrap):
    client = AdminClient({"bootstrap.servers": bootstrap})
    topic = f"admin-{uuid.uuid4()}"
    results(client.create_topics([NewTopic(topic, 2, 1, config={"retention.ms": "7200000"})], operation_timeout=10))
    def partitions():
        known = client.list_topics(timeout=10).topics
        return len(known[topic].partitions) if topic in known else 0
    wait_for("topic has two partitions", lambda: partitions() == 2)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    config = list(client.describe_configs([resource]).values())[0].result(WAIT_S)
    assert config["retention.ms"].value == "7200000", config["retention.ms"].value
    results(client.create_partitions([NewPartitions(topic, 5)], operation_timeout=10))
    wait_for("topic has five partitions", lambda: partitions() == 5)
    results(client.delete_topics([topic], operation_timeout=10))
    wait_for("topic is gone", lambda: partitions() == 0)

def version():
    own = getattr(ck, "__version__", None) or ck.version()[0]
    print(f"confluent-kafka {own}, librdkafka {ck.libversion()[0]}")

if __name__ == "__main__":
    {"produce": produce, "consume": consume, "admin": admin, "version": version}[sys.argv[1]](*sys.argv[2:])
