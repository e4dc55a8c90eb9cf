// JSON-RPC 2.0, one message per line, over stdin and stdout. Requests go both ways: the engine asks
// the CLI to print a line and waits for its answer.
'use strict'

const readline = require('node:readline')

// How long the real engine lets a request go on after SIGTERM, in milliseconds.
const GRACE_MS = 4000

class RpcServer {
  /** @param {{call: Function, toRpcError: Function, end: Function}} handlers */
  constructor(handlers) {
    this.handlers = handlers
    this.waiting = new Map()
    this.nextId = 1
    this.inFlight = 0
    this.clientGone = false
  }

  start() {
    process.stdout.on('error', () => this.lost())
    readline
      .createInterface({ input: process.stdin })
      .on('line', (line) => this.receive(JSON.parse(line)))
      .on('close', () => this.lost())
    for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => this.terminate())
  }

  send(message) {
    if (!this.clientGone) process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  }

  async receive(message) {
    if (!message.method) {
      this.waiting.get(message.id)?.()
      this.waiting.delete(message.id)
      return
    }
    this.inFlight += 1
    try {
      const result = await this.handlers.call(message.method, message.params ?? {})
      this.send({ id: message.id, result })
    } catch (error) {
      this.send({ id: message.id, error: this.handlers.toRpcError(error) })
    }
    this.inFlight -= 1
    if (this.clientGone) this.handlers.end(0)
  }

  /** Asks the CLI to print; ends the process where there is no CLI to answer. */
  print(content) {
    if (this.clientGone) return this.abandon()
    return new Promise((resolve) => {
      const id = this.nextId++
      this.waiting.set(id, resolve)
      this.send({ method: 'print', params: { content }, id })
    })
  }

  /** The CLI died. A running migration is finished first; only then does the engine end. */
  lost() {
    this.clientGone = true
    if (this.waiting.size > 0) this.abandon()
    else if (this.inFlight === 0) this.handlers.end(0)
  }

  /** Nobody answers `print` any more: a row may have been inserted whose script never runs. */
  abandon() {
    this.handlers.end(1)
    return new Promise(() => {})
  }

  terminate() {
    if (this.inFlight === 0) this.handlers.end(0)
    else setTimeout(() => process.exit(1), GRACE_MS)
  }
}

module.exports = { RpcServer }
