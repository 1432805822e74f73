// sarama behind the commands of tests/compat/run.py.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

const (
	partitions = 3
	wait       = time.Minute
)

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

// bytesOf is a nil Encoder for nil: an Encoder that holds nil would be sent as empty.
func bytesOf(text string) sarama.Encoder {
	if data := decode(text); data != nil {
		return sarama.ByteEncoder(data)
	}
	return nil
}

func messageOf(topic, line string) *sarama.ProducerMessage {
	field := strings.Split(line, "\t")
	partition, err := strconv.ParseInt(field[0], 10, 32)
	check(err)
	timestamp, err := strconv.ParseInt(field[1], 10, 64)
	check(err)
	message := &sarama.ProducerMessage{Topic: topic, Partition: int32(partition),
		Timestamp: time.UnixMilli(timestamp), Key: bytesOf(field[2]), Value: bytesOf(field[3])}
	for _, pair := range strings.Split(field[4], ",") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(name), Value: decode(value)})
		}
	}
	return message
}

func configNew() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	return config
}

func produce(bootstrap, topic, codec, path string, idempotent bool) {
	config := configNew()
	codecs := map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
		"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}
	config.Producer.Compression = codecs[codec]
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Flush.Frequency = 20 * time.Millisecond
	config.Producer.Idempotent = idempotent
	config.Net.MaxOpenRequests = 1 // what keeps the order, and what idempotence asks for
	producer, err := sarama.NewSyncProducer([]string{bootstrap}, config)
	check(err)
	file, err := os.Open(path)
	check(err)
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	var messages []*sarama.ProducerMessage
	for lines.Scan() {
		messages = append(messages, messageOf(topic, lines.Text()))
	}
	check(lines.Err())
	check(producer.SendMessages(messages))
	check(producer.Close())
}

func consume(bootstrap, topic string, count int) {
	consumer, err := sarama.NewConsumer([]string{bootstrap}, configNew())
	check(err)
	messages := make(chan *sarama.ConsumerMessage)
	for i := int32(0); i < partitions; i++ {
		one, err := consumer.ConsumePartition(topic, i, 0)
		check(err)
		go func() {
			for message := range one.Messages() {
				messages <- message
			}
		}()
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	end := time.After(wait)
	for ; count > 0; count-- {
		select {
		case message := <-messages:
			var headers []string
			for _, header := range message.Headers {
				headers = append(headers, string(header.Key)+"="+encode(header.Value))
			}
			fmt.Fprintf(out, "%d\t%d\t%d\t%s\t%s\t%s\n", message.Offset, message.Partition,
				message.Timestamp.UnixMilli(), encode(message.Key), encode(message.Value), strings.Join(headers, ","))
		case <-end:
			check(fmt.Errorf("%d records missing", count))
		}
	}
}

func version() {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/IBM/sarama" {
			fmt.Println("sarama", module.Version)
		}
	}
}

func main() {
	switch args := os.Args; args[1] {
	case "produce":
		produce(args[2], args[3], args[4], args[5], len(args) > 6)
	case "consume":
		count, err := strconv.Atoi(args[4])
		check(err)
		consume(args[2], args[3], count)
	case "version":
		version()
	}
}
