// kafkajs behind the commands of tests/compat/run.py; it consumes only in a group.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import kafkajs from 'kafkajs'
import snappy from 'kafkajs-snappy'

const { CompressionCodecs, CompressionTypes, Kafka, Partitioners, logLevel } = kafkajs
CompressionCodecs[CompressionTypes.Snappy] = snappy

const decode = text => (text === '-' ? null : Buffer.from(text, 'hex'))

function headersOf (text) {
  const headers = {}
  for (const pair of text ? text.split(',') : []) {
    const [name, value] = pair.split('=')
    headers[name] = decode(value)
  }
  return headers
}

async function produce (bootstrap, topic, codec, path, mode) {
  const compression = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy }[codec]
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR })
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    idempotent: mode === 'idempotent',
    maxInFlightRequests: 1
  })
  await producer.connect()
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  for (let i = 0; i < lines.length; i += 50) {
    const messages = lines.slice(i, i + 50).map(line => {
      const [partition, timestamp, key, value, headers] = line.split('\t')
      return { partition: Number(partition), timestamp, key: decode(key), value: decode(value), headers: headersOf(headers) }
    })
    await producer.send({ topic, compression, messages, acks: -1 })
  }
  await producer.disconnect()
}

const encode = data => (data === null || data === undefined ? '-' : Buffer.from(data).toString('hex'))

async function consume (bootstrap, topic, count, group) {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR })
  const consumer = kafka.consumer({ groupId: group })
  const lines = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, event => reject(event.payload.error))
    consumer.run({
      eachMessage: async ({ partition, message }) => {
        const headers = Object.entries(message.headers ?? {}).map(([name, value]) => `${name}=${encode(value)}`)
        lines.push([message.offset, partition, message.timestamp, encode(message.key), encode(message.value),
          headers.join(',')].join('\t'))
        if (lines.length === Number(count)) resolve()
      }
    })
  })
  await consumer.disconnect() // commits what was handled, and leaves
  console.log(lines.join('\n'))
}

const [command, ...args] = process.argv.slice(2)
if (command === 'version') {
  console.log('kafkajs', createRequire(import.meta.url)('kafkajs/package.json').version)
} else if (command === 'produce') {
  await produce(...args)
} else if (command === 'consume') {
  await consume(...args)
} else {
  throw new Error(`no command ${command}`)
}
