import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java client of Apache Kafka behind the commands of tests/compat/run.py. */
public final class Client {
    private static final int PARTITIONS = 3;
    private static final Duration WAIT = Duration.ofSeconds(60);

    private static byte[] decode(String text) {
        return text.equals("-") ? null : HexFormat.of().parseHex(text);
    }

    private static String encode(byte[] data) {
        return data == null ? "-" : HexFormat.of().formatHex(data);
    }

    private static void check(boolean ok, String what) {
        if (!ok) {
            throw new AssertionError(what);
        }
    }

    private static List<Header> headers(String text) {
        List<Header> headers = new ArrayList<>();
        for (String pair : text.isEmpty() ? new String[0] : text.split(",")) {
            int at = pair.indexOf('=');
            headers.add(new RecordHeader(pair.substring(0, at), decode(pair.substring(at + 1))));
        }
        return headers;
    }

    /** Idempotence is the client's own default; the mode asks for it by name. */
    private static void produce(String bootstrap, String topic, String codec, String path, String mode) throws Exception {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "compression.type", codec,
            "linger.ms", 20, mode.isEmpty() ? "client.id" : "enable.idempotence", mode.isEmpty() ? "java" : true);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer =
                 new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
             BufferedReader lines = Files.newBufferedReader(Path.of(path))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                String[] field = line.split("\t", -1);
                sent.add(producer.send(new ProducerRecord<>(topic, Integer.valueOf(field[0]), Long.valueOf(field[1]),
                    decode(field[2]), decode(field[3]), headers(field[4]))));
            }
            producer.flush();
            for (Future<RecordMetadata> future : sent) {
                check(future.get().hasOffset(), "acknowledged without an offset");
            }
        }
    }

    private static String line(ConsumerRecord<byte[], byte[]> record) {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            headers.add(header.key() + "=" + encode(header.value()));
        }
        return String.join("\t", Long.toString(record.offset()), Integer.toString(record.partition()),
            Long.toString(record.timestamp()), encode(record.key()), encode(record.value()), String.join(",", headers));
    }

    private static void consume(String bootstrap, String topic, int count) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int i = 0; i < PARTITIONS; i++) {
            partitions.add(new TopicPartition(topic, i));
        }
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", bootstrap,
                 "enable.auto.commit", false), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            print(consumer, count);
            long total = consumer.endOffsets(partitions).values().stream().mapToLong(Long::longValue).sum();
            check(total == count, "end offsets add up to " + total + ", not " + count);
        }
    }

    /** Through a group, with every assignor in its list. */
    private static void consumeInGroup(String bootstrap, String topic, int count, String group) {
        String assignors = String.join(",", CooperativeStickyAssignor.class.getName(), RangeAssignor.class.getName(),
            RoundRobinAssignor.class.getName(), StickyAssignor.class.getName());
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", bootstrap,
                 "enable.auto.commit", false, "group.id", group, "auto.offset.reset", "earliest",
                 "partition.assignment.strategy", assignors),
                 new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            print(consumer, count);
            consumer.commitSync();
        }
    }

    private static void print(KafkaConsumer<byte[], byte[]> consumer, int count) {
        PrintWriter out = new PrintWriter(new BufferedWriter(new OutputStreamWriter(System.out)));
        long end = System.nanoTime() + WAIT.toNanos();
        int left = count;
        while (left > 0) {
            check(System.nanoTime() < end, left + " records missing");
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                out.println(line(record));
                left--;
            }
        }
        out.flush();
    }

    private static void waitFor(String what, Callable<Boolean> test) throws Exception {
        for (int i = 0; !test.call(); i++) {
            check(i < 200, what);
            Thread.sleep(100);
        }
    }

    private static void admin(String bootstrap) throws Exception {
        String topic = "admin-" + UUID.randomUUID();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            check(!admin.describeCluster().nodes().get().isEmpty(), "a cluster without nodes");
            check(!admin.describeCluster().clusterId().get().isEmpty(), "a cluster without an id");
            check(admin.describeCluster().controller().get() != null, "a cluster without a controller");
            NewTopic wanted = new NewTopic(topic, 2, (short) 1).configs(Map.of("retention.ms", "7200000"));
            var created = admin.createTopics(Set.of(wanted));
            check(created.numPartitions(topic).get() == 2, "created with another number of partitions");
            check(created.topicId(topic).get().getMostSignificantBits() != 0, "created without a topic id");
            waitFor("created but not listed", () -> admin.listTopics().names().get().contains(topic));
            try {
                admin.createTopics(Set.of(wanted)).all().get();
                check(false, "created twice");
            } catch (java.util.concurrent.ExecutionException e) {
                check(e.getCause() instanceof TopicExistsException, "created twice: " + e.getCause());
            }
            TopicDescription described = admin.describeTopics(Set.of(topic)).allTopicNames().get().get(topic);
            check(described.partitions().size() == 2, "described with " + described.partitions().size());
            check(described.topicId().equals(created.topicId(topic).get()), "described with another id");
            check(described.partitions().get(0).leader() != null, "no leader");
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            var config = admin.describeConfigs(Set.of(resource)).all().get().get(resource);
            check(config.get("retention.ms").value().equals("7200000"), "retention.ms " + config.get("retention.ms"));
            check(!config.get("retention.ms").isDefault(), "a set value said to be the default");
            check(config.get("max.message.bytes").isDefault(), "a default said to be set");
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
            waitFor("partitions were not added", () ->
                admin.describeTopics(Set.of(topic)).allTopicNames().get().get(topic).partitions().size() == 5);
            admin.deleteTopics((Collection<String>) Set.of(topic)).all().get();
            waitFor("deleted but still listed", () -> !admin.listTopics().names().get().contains(topic));
        }
    }

    private static String version() throws Exception {
        Properties properties = new Properties();
        try (InputStream file = Client.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            properties.load(file);
        }
        return properties.getProperty("version");
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
        switch (args[0]) {
            case "produce" -> produce(args[1], args[2], args[3], args[4], args.length > 5 ? args[5] : "");
            case "consume" -> {
                if (args.length > 4) {
                    consumeInGroup(args[1], args[2], Integer.parseInt(args[3]), args[4]);
                } else {
                    consume(args[1], args[2], Integer.parseInt(args[3]));
                }
            }
            case "admin" -> admin(args[1]);
            case "version" -> System.out.println("kafka-clients " + version());
            default -> throw new IllegalArgumentException(args[0]);
        }
    }
}
