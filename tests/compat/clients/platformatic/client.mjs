// @platformatic/kafka behind the commands of tests/compat/run.py; it consumes only in a group.
import { readFileSync } from 'node:fs'
import { Consumer, MessagesStreamModes, Producer } from '@platformatic/kafka'

const decode = text => (text === '-' ? null : Buffer.from(text, 'hex'))

function headersOf (text) {
  const headers = new Map()
  for (const pair of text ? text.split(',') : []) {
    const [name, value] = pair.split('=')
    headers.set(Buffer.from(name), decode(value))
  }
  return headers
}

async function produce (bootstrap, topic, codec, path, mode) {
  const producer = new Producer({
    clientId: 'platformatic',
    bootstrapBrokers: [bootstrap],
    compression: codec,
    idempotent: mode === 'idempotent',
    acks: -1,
    strict: true
  })
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  for (let i = 0; i < lines.length; i += 50) {
    const messages = lines.slice(i, i + 50).map(line => {
      const [partition, timestamp, key, value, headers] = line.split('\t')
      return {
        topic,
        partition: Number(partition),
        timestamp: BigInt(timestamp),
        key: decode(key),
        value: decode(value),
        headers: headersOf(headers)
      }
    })
    await producer.send({ messages })
  }
  await producer.close()
}

const encode = data => (data === null || data === undefined ? '-' : Buffer.from(data).toString('hex'))

async function consume (bootstrap, topic, count, group) {
  const consumer = new Consumer({ clientId: 'platformatic', bootstrapBrokers: [bootstrap], groupId: group })
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false })
  const lines = []
  for await (const message of stream) {
    const headers = [...message.headers].map(([name, value]) => `${name}=${encode(value)}`)
    lines.push([message.offset, message.partition, message.timestamp, encode(message.key), encode(message.value),
      headers.join(',')].join('\t'))
    await message.commit()
    if (lines.length === Number(count)) break
  }
  await consumer.close(true)
  console.log(lines.join('\n'))
}

const [command, ...args] = process.argv.slice(2)
if (command === 'version') {
  const path = new URL('node_modules/@platformatic/kafka/package.json', import.meta.url)
  console.log('@platformatic/kafka', JSON.parse(readFileSync(path, 'utf8')).version)
} else if (command === 'produce') {
  await produce(...args)
} else if (command === 'consume') {
  await consume(...args)
} else {
  throw new Error(`no command ${command}`)
}
