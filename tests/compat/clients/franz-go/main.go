// franz-go behind the commands of tests/compat/run.py. Idempotence is its default.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const partitions = 3

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func decode(text string) []byte {
	if text == "-" {
		return nil
	}
	data, err := hex.DecodeString(text)
	check(err)
	return data
}

func encode(data []byte) string {
	if data == nil {
		return "-"
	}
	return hex.EncodeToString(data)
}

func recordOf(topic, line string) *kgo.Record {
	field := strings.Split(line, "\t")
	partition, err := strconv.ParseInt(field[0], 10, 32)
	check(err)
	timestamp, err := strconv.ParseInt(field[1], 10, 64)
	check(err)
	record := &kgo.Record{Topic: topic, Partition: int32(partition), Timestamp: time.UnixMilli(timestamp),
		Key: decode(field[2]), Value: decode(field[3])}
	for _, pair := range strings.Split(field[4], ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: decode(value)})
		}
	}
	return record
}

func produce(ctx context.Context, bootstrap, topic, codec, path string) {
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(codecs[codec]),
		kgo.ProducerLinger(20*time.Millisecond), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	check(err)
	defer client.Close()
	file, err := os.Open(path)
	check(err)
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	var records []*kgo.Record
	for lines.Scan() {
		records = append(records, recordOf(topic, lines.Text()))
	}
	check(lines.Err())
	check(client.ProduceSync(ctx, records...).FirstErr())
}

func assigned(topic string) kgo.Opt {
	offsets := make(map[int32]kgo.Offset)
	for i := int32(0); i < partitions; i++ {
		offsets[i] = kgo.NewOffset().At(0)
	}
	return kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets})
}

func consume(ctx context.Context, bootstrap, topic string, count int, group string) {
	options := []kgo.Opt{kgo.SeedBrokers(bootstrap)}
	if group == "" {
		options = append(options, assigned(topic))
	} else {
		options = append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	}
	client, err := kgo.NewClient(options...)
	check(err)
	defer client.Close()
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for count > 0 {
		fetches := client.PollFetches(ctx)
		check(fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) {
			var headers []string
			for _, header := range record.Headers {
				headers = append(headers, header.Key+"="+encode(header.Value))
			}
			fmt.Fprintf(out, "%d\t%d\t%d\t%s\t%s\t%s\n", record.Offset, record.Partition,
				record.Timestamp.UnixMilli(), encode(record.Key), encode(record.Value), strings.Join(headers, ","))
			count--
		})
	}
	if group != "" {
		check(client.CommitUncommittedOffsets(ctx))
	}
}

func version() {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			fmt.Println("franz-go", module.Version)
		}
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch args := os.Args; args[1] {
	case "produce":
		produce(ctx, args[2], args[3], args[4], args[5])
	case "consume":
		count, err := strconv.Atoi(args[4])
		check(err)
		group := ""
		if len(args) > 5 {
			group = args[5]
		}
		consume(ctx, args[2], args[3], count, group)
	case "version":
		version()
	}
}
