// Splits a PostgreSQL script into statements at the semicolons that end one: not those in quotes,
// dollar quotes, comments, parentheses (a rule's actions) or the BEGIN ATOMIC body of a function.
'use strict'

const TOKENS = new RegExp(
  [
    '(?<comment>--[^\\n]*|/\\*)',
    "(?<escaped>[eE]'(?:[^'\\\\]|\\\\[\\s\\S]|'')*')", // E'...' knows the backslash
    "(?<quoted>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")",
    '(?<dollar>\\$(?:[A-Za-z_\\u0080-\\uffff][\\w\\u0080-\\uffff]*)?\\$)',
    '(?<word>[A-Za-z_\\u0080-\\uffff][\\w$\\u0080-\\uffff]*)', // a $ inside a name opens no quote
    '(?<number>\\d[\\w.]*)',
    '(?<open>\\()',
    '(?<close>\\))',
    '(?<end>;)',
    '(?<space>\\s+)',
    '(?<other>[\\s\\S])',
  ].join('|'),
  'y',
)

/** The index after the block comment that opens at `start`; comments nest in PostgreSQL. */
function afterBlockComment(sql, start) {
  let depth = 0
  const marks = /\/\*|\*\//g
  marks.lastIndex = start
  for (let mark = marks.exec(sql); mark; mark = marks.exec(sql)) {
    depth += mark[0] === '/*' ? 1 : -1
    if (depth === 0) return marks.lastIndex
  }
  return sql.length
}

/** The index after the dollar-quoted text whose opening tag ends at `start`. */
function afterDollarQuote(sql, tag, start) {
  const end = sql.indexOf(tag, start)
  return end < 0 ? sql.length : end + tag.length
}

/** Follows BEGIN ATOMIC ... END, with CASE ... END inside it. */
class AtomicBody {
  depth = 0
  previous = ''

  see(word) {
    const upper = word.toUpperCase()
    if (upper === 'ATOMIC' && this.previous === 'BEGIN') this.depth += 1
    else if (this.depth > 0 && upper === 'CASE') this.depth += 1
    else if (this.depth > 0 && upper === 'END') this.depth -= 1
    this.previous = upper
  }
}

/**
 * @param {string} sql A whole script.
 * @returns {string[]} Its statements with their semicolons, without the empty ones.
 */
function splitStatements(sql) {
  const statements = []
  let start = 0
  let empty = true
  let parentheses = 0
  let atomic = new AtomicBody()
  const cut = (end) => {
    if (!empty) statements.push(sql.slice(start, end).trim())
    start = end
    empty = true
    parentheses = 0
    atomic = new AtomicBody()
  }
  for (let at = 0; at < sql.length; ) {
    TOKENS.lastIndex = at
    const { groups, 0: text } = TOKENS.exec(sql)
    at += text.length
    if (groups.comment === '/*') at = afterBlockComment(sql, at - 2)
    else if (groups.dollar) at = afterDollarQuote(sql, text, at)
    else if (groups.word) atomic.see(text)
    else if (groups.open) parentheses += 1
    else if (groups.close) parentheses -= 1
    else if (groups.end && parentheses <= 0 && atomic.depth === 0) {
      cut(at)
      continue
    }
    if (!groups.comment && !groups.space && !groups.end) empty = false
  }
  cut(sql.length)
  return statements
}

module.exports = { splitStatements }
