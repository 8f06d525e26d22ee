#!lua name=pushstream_@

-- The functions of PushStream's Redis backplane. `@` is their version, which is part of every name.
--
-- A partition's keys begin with the same base, PREFIX:1:{pN}: and all derive from its head, PREFIX:1:{pN}:head.
-- Callers declare the keys that a call touches all the same: a cluster refuses a call whose keys are being moved only where
-- it knows them.
--
-- Every reply begins with "RUN TIMELINE.MS-SEQ": which server answered, and the partition's head after the call.

local run       -- this server's run id: it differs after every restart, and on every replica
local relay     -- the command that relays: sharded on a cluster
local read = {} -- settings by the text that they were read from

local function server()
  if not run then
    local info = redis.call('INFO', 'server')
    run = string.match(info, 'run_id:(%x+)')
    relay = string.find(info, '_mode:cluster', 1, true) and 'SPUBLISH' or 'PUBLISH'
  end
end

local written, text -- the milliseconds that were written last, and how: most places of a call have the same

-- place writes a place. Lua's own way of writing numbers is the quickest, and right for small ones.
local function place(ms, seq)
  if ms ~= written then written, text = ms, string.format('%.0f-', ms) end
  return text .. (seq < 1e14 and seq or string.format('%.0f', seq))
end

local function parse(text)
  local ms, seq = string.match(text, '^(%d+)%-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

-- after reports whether the first of two places comes behind the second.
local function after(ms, seq, ms2, seq2) return ms > ms2 or ms == ms2 and seq > seq2 end

local function fail(text) return redis.error_reply('PUSHSTREAM ' .. text) end

-- The partition as a call finds it.

local function header(p) return run .. ' ' .. p.tag .. '.' .. place(p.ms, p.seq) end

local function next_place(p)
  if p.clock > p.ms then return p.clock, 0 end
  return p.ms, p.seq + 1
end

local function new_tag(p)
  local t = redis.call('TIME')
  return string.sub(redis.sha1hex(run .. p.head .. t[1] .. ' ' .. t[2]), 1, 8)
end

-- create begins a partition that has no history. The hashes are made to exist, since a cluster refuses calls with keys that
-- do not exist while their slot is being moved.
local function create(p)
  p.ms, p.seq, p.tag = p.clock, 0, new_tag(p)
  local at = place(p.ms, 0)
  redis.call('HSET', p.head, 'at', at, 'birth', at, 'tag', p.tag, 'run', run)
  for _, name in ipairs({'calls', 'keys:0', 'keys:1', 'kept'}) do redis.call('HSET', p.base .. name, '', '') end
end

-- turn closes the timeline at the last place that survived, and opens another. The last 16 are kept; cursors in older ones
-- are before birth.
local function turn(p)
  local ends = (redis.call('HGET', p.head, 'ends') or '') .. p.tag .. ':' .. place(p.ms, p.seq) .. ' '
  local _, kept = string.gsub(ends, ' ', '')
  if kept > 16 then
    local forgotten
    forgotten, ends = string.match(ends, '^%w+:(%S+) (.*)$')
    redis.call('HSET', p.head, 'birth', forgotten)
  end
  p.tag = new_tag(p)
  p.ms, p.seq = next_place(p)
  redis.call('HSET', p.head, 'at', place(p.ms, p.seq), 'tag', p.tag, 'run', run, 'ends', ends)
end

-- settings reads "PARTITIONS LENGTH AGE KEYAGE", both ages in milliseconds.
local function settings(text)
  local found = read[text]
  if not found then
    local partitions, length, age, keyage = string.match(text, '^(%d+) (%d+) (%d+) (%d+)$')
    if not partitions then return nil end
    found = {partitions = partitions, length = length, age = tonumber(age), keyage = tonumber(keyage)}
    read[text] = found
  end
  return found
end

local default = '1 1000 86400000 600000'

-- open reads a partition, and creates it or opens a timeline where that is due. What cannot be served is an error. The
-- caller's settings count where the partition has none; without any they are the default.
local function open(head, given)
  server()
  if string.sub(head, -5) ~= ':head' then return nil, fail('the first key is not the head of a partition') end
  local wanted = settings(given or default)
  if not wanted then return nil, fail('the settings are not PARTITIONS LENGTH AGE KEYAGE') end
  local t = redis.call('TIME')
  local f = redis.call('HMGET', head, 'at', 'run', 'tag', 'settings')
  local p = {head = head, base = string.sub(head, 1, -5), clock = t[1] * 1000 + math.floor(t[2] / 1000)}
  local set = f[4] and settings(f[4])
  if set and given and set.partitions ~= wanted.partitions then
    return nil, fail('LAYOUT this deployment has ' .. set.partitions .. ' partitions and not ' .. wanted.partitions)
  end
  if given and not set then redis.call('HSET', head, 'settings', given) end
  p.settings, p.set = f[4], set or wanted
  if not f[1] then
    create(p)
  else
    p.ms, p.seq = parse(f[1])
    p.tag = f[3]
    if p.ms > p.clock then p.clock = p.ms end
    if f[2] ~= run then turn(p) end
  end
  return p
end

-- Publishing.

-- remembered returns the position of the event that had this key first. Keys live in two generations, of which the older
-- is forgotten as a whole.
local function remembered(p, field)
  if not p.young then
    local f = redis.call('HMGET', p.head, 'young', 'turned')
    p.young, p.turned = f[1] or '0', tonumber(f[2])
    if not p.turned or p.clock - p.turned >= p.set.keyage then
      local stale = {p.young == '0' and '1' or '0'}
      if p.turned and p.clock - p.turned >= 2 * p.set.keyage then stale[2] = p.young end
      for _, n in ipairs(stale) do
        redis.call('UNLINK', p.base .. 'keys:' .. n)
        redis.call('HSET', p.base .. 'keys:' .. n, '', '')
      end
      p.young, p.turned = stale[1], p.clock
      redis.call('HSET', p.head, 'young', p.young, 'turned', string.format('%.0f', p.turned))
    end
  end
  return redis.call('HGET', p.base .. 'keys:' .. p.young, field)
    or redis.call('HGET', p.base .. 'keys:' .. (p.young == '0' and '1' or '0'), field)
end

local function remember(p, field, value) redis.call('HSET', p.base .. 'keys:' .. p.young, field, value) end

-- field names a publisher's key: logs have no spaces in their names, so nothing else has the same field.
local function field(p, log, key, live)
  return (live and 'live ' or '') .. string.sub(log, #p.head + 1) .. ' ' .. key
end

local function relay_only(p, logs, e)
  local text = '{"type":"' .. e.type .. '","data":' .. e.data .. (e.meta ~= '' and ',"meta":' .. e.meta or '') .. '}'
  for _, log in ipairs(logs) do
    local name = e.key ~= '' and field(p, log, e.key, true)
    if not name or not remembered(p, name) then
      if name then remember(p, name, '1') end
      redis.call(relay, log, text)
    end
  end
  return ''
end

-- append adds one event to one log behind what the log has, and relays it. ms and seq are the head without this event.
local function append(p, log, e, ms, seq)
  local prev = p.lasts[log]
  if not prev then
    local bound = p.clock - p.set.age
    prev = '~' .. (after(bound, 0, ms, seq) and place(ms, seq) or place(bound, 0))
  end
  local id = place(p.ms, p.seq)
  local added
  if e.meta == '' then
    added = redis.pcall('XADD', log, 'MAXLEN', p.set.length, id, 'type', e.type, 'data', e.data, 'prev', prev)
  else
    added = redis.pcall('XADD', log, 'MAXLEN', p.set.length, id, 'type', e.type, 'data', e.data, 'prev', prev, 'meta', e.meta)
  end
  if type(added) == 'table' and added.err then return nil, added.err end
  p.lasts[log] = id
  if p.dated[log] ~= p.ms then
    redis.call('PEXPIREAT', log, string.format('%.0f', p.ms + p.set.age))
    p.dated[log] = p.ms
  end
  local position = p.tag .. '.' .. id
  redis.call(relay, log, position .. ' ' .. prev .. ' ' .. e.type .. ' ' .. #e.meta .. ' ' .. e.meta .. e.data)
  return position
end

-- reserve takes the next places for so many events. It comes before all else: a place that was given is never given again.
local function reserve(p, events)
  p.lasts = p.lasts or {} -- the last place of each log that this call has looked at
  p.dated = p.dated or {} -- the milliseconds from which on its age was counted last
  p.ms, p.seq = next_place(p)
  p.left = events
  redis.call('HSET', p.head, 'at', place(p.ms, p.seq + events - 1))
end

-- last looks up the last place of a log once, and returns an error where it is no log. A log that outlived its partition's
-- head may be ahead of the clock: the clock follows.
local function last(p, log)
  if p.lasts[log] then return nil end
  local found = redis.pcall('XREVRANGE', log, '+', '-', 'COUNT', '1')
  if found.err then return found.err end
  if found[1] then
    p.lasts[log] = found[1][1]
    local ms, seq = parse(found[1][1])
    if not after(p.ms, p.seq, ms, seq) then
      p.clock, p.ms, p.seq = math.max(p.clock, ms), ms, seq
      reserve(p, p.left)
    end
  end
end

-- store appends one event to the logs that do not have it yet, at one place for all of them, and returns its position in
-- each. ms and seq are the head without this event.
local function store(p, logs, e, ms, seq)
  local positions = {}
  for i, log in ipairs(logs) do
    positions[i] = e.key ~= '' and remembered(p, field(p, log, e.key)) or false
    local err = not positions[i] and last(p, log)
    if err then return '!' .. err end
  end
  for i, log in ipairs(logs) do
    if not positions[i] then
      local position, err = append(p, log, e, ms, seq)
      if err then return '!' .. err end
      if e.key ~= '' then remember(p, field(p, log, e.key), position) end
      positions[i] = position
    end
  end
  return table.concat(positions, ' ')
end

-- publish: KEYS head calls keys:0 keys:1 log...; ARGV settings lane number, then for each event: the numbers of its logs
-- (1 is the fifth key), type, data, meta, key, "live" or "". Replies a result for each event: its positions with spaces
-- between, or "!" and an error.
--
-- A lane makes one call after the other, and numbers them. Its last call is kept with its results: the same number again
-- gets these, a smaller one is refused. So a call can be repeated whose reply was lost, and no copy that was on its way for
-- long can do harm.
local function publish(keys, argv)
  local p, err = open(keys[1], argv[1])
  if err then return err end
  local lane, number = argv[2], tonumber(argv[3])
  local kept = redis.call('HGET', p.base .. 'calls', lane)
  if kept then
    local n, results = string.match(kept, '^(%d+) %d+\n(.*)$')
    if tonumber(n) > number then return fail('STALE this call was given up') end
    if tonumber(n) == number then
      redis.call('HSET', p.base .. 'calls', lane, kept) -- WAIT confirms nothing where nothing was written
      local reply = {header(p)}
      for r in string.gmatch(results, '(.-)\n') do reply[#reply + 1] = r end
      return reply
    end
  end
  local count = (#argv - 3) / 6
  local ms, seq = p.ms, p.seq
  reserve(p, count)
  local reply = {header(p)}
  for i = 0, count - 1 do
    local a = 3 + i * 6
    local logs, only = {}, tonumber(argv[a + 1])
    if only then
      logs[1] = keys[4 + only]
    else
      for n in string.gmatch(argv[a + 1], '%d+') do logs[#logs + 1] = keys[4 + n] end
    end
    local e = {type = argv[a + 2], data = argv[a + 3], meta = argv[a + 4], key = argv[a + 5]}
    if argv[a + 6] == 'live' then
      reply[i + 2] = relay_only(p, logs, e)
    else
      reply[i + 2] = store(p, logs, e, ms, seq)
    end
    ms, seq = p.ms, p.seq
    p.left = p.left - 1
    if p.left > 0 then p.seq = p.seq + 1 end
  end
  redis.call('HSET', p.base .. 'calls', lane, string.format('%.0f %.0f\n', number, p.clock) .. table.concat(reply, '\n', 2) .. '\n')
  reply[1] = header(p)
  return reply
end

-- What callers without a node send is checked as nodes check it: what they cannot read would be a loss to all its readers.

local sequences = {
  '[\194-\223][\128-\191]', '\224[\160-\191][\128-\191]', '[\225-\236\238\239][\128-\191][\128-\191]', '\237[\128-\159][\128-\191]',
  '\240[\144-\191][\128-\191][\128-\191]', '[\241-\243][\128-\191][\128-\191][\128-\191]', '\244[\128-\143][\128-\191][\128-\191]',
}

-- is_utf8 reports whether a text is UTF-8 (RFC 3629).
local function is_utf8(text)
  if not string.find(text, '[\128-\255]') then return true end
  for _, sequence in ipairs(sequences) do text = string.gsub(text, sequence, '.') end
  return not string.find(text, '[\128-\255]')
end

local function is_number(word)
  local rest = string.match(word, '^%-?0(.*)$') or string.match(word, '^%-?[1-9]%d*(.*)$')
  rest = rest and string.gsub(rest, '^%.%d+', '')
  return rest and (rest == '' or string.find(rest, '^[eE][+-]?%d+$'))
end

-- is_json reports whether a text is one JSON value (RFC 8259). cjson lets more pass: other numbers, line breaks in strings.
local function is_json(text)
  if not is_utf8(text) or not pcall(cjson.decode, text) then return false end
  local bare = string.gsub(text, '\\.', '')
  for s in string.gmatch(bare, '"([^"]*)"') do
    if string.find(s, '[%z\1-\31]') then return false end
  end
  bare = string.gsub(bare, '"[^"]*"', '')
  for word in string.gmatch(bare, '[^%s%[%]{},:]+') do
    if word ~= 'true' and word ~= 'false' and word ~= 'null' and not is_number(word) then return false end
  end
  return true
end

-- is_target reports whether a name is that of a target as nodes write it in keys.
local function is_target(name)
  if name == 'all' then return true end
  local kind, id = string.match(name, '^(%l+):(.+)$')
  if kind ~= 'user' and kind ~= 'session' and kind ~= 'topic' or string.find(id, '[^%w%-_.~:%%]') then return false end
  local encoded = true
  id = string.gsub(id, '%%(.?.?)', function(hex)
    local byte = string.find(hex, '^[%dA-F][%dA-F]$') and string.char(tonumber(hex, 16))
    encoded = encoded and byte and not string.find(byte, '[%w%-_.~:]')
    return byte
  end)
  return encoded and #id <= 200 and is_utf8(id) and not string.find(id, '[%c%s{}*]')
end

-- partition_of returns the number of the partition that has a tenant: FNV-1a with 32 bits, by modulus, as nodes have it.
local function partition_of(tenant, partitions)
  local h = 2166136261
  for i = 1, #tenant do
    h = bit.bxor(h, string.byte(tenant, i)) % 4294967296
    local low = h % 65536
    h = (low * 16777619 + (h - low) / 65536 * 16777619 % 65536 * 65536) % 4294967296
  end
  return h % partitions
end

-- send: KEYS head log; ARGV type data [key [meta]]. For callers without a node: one event for one target. Replies its
-- position.
local function send(keys, argv)
  local p, err = open(keys[1])
  if err then return err end
  local log, e = keys[2], {type = argv[1] or '', data = argv[2] or '', key = argv[3] or '', meta = argv[4] or ''}
  local tenant, target
  if log and string.sub(log, 1, #p.head) == p.base .. 'log:' then tenant, target = string.match(log, '^([%w%-_.]+):(.+)$', #p.head + 1) end
  if not tenant or #tenant > 64 or not is_target(target) then
    return fail('the second key is not ' .. p.base .. 'log:TENANT:TARGET, with a target like user:42, percent-encoded like user:a%40example.org')
  end
  local number = string.format('%.0f', partition_of(tenant, tonumber(p.set.partitions)))
  if string.match(p.base, '{p(%d+)}:$') ~= number then return fail('tenant ' .. tenant .. ' is in partition {p' .. number .. '}') end
  if #e.type > 100 or not string.find(e.type, '^[%w%-_]+%.[%w%-_.]*[%w%-_]$') or string.find(e.type, '..', 1, true)
    or string.find(string.lower(e.type), '^pushstream%.') then
    return fail('the type is not domain.action, like order.created')
  end
  if not is_json(e.data) then return fail('the data is not JSON; a text needs quotes of its own') end
  if e.meta ~= '' and not (string.find(e.meta, '^%s*{') and is_json(e.meta)) then return fail('the meta is not a JSON object') end
  if #e.key > 200 then return fail('the key has more than 200 bytes') end
  local ms, seq = p.ms, p.seq
  reserve(p, 1)
  local position = store(p, {log}, e, ms, seq)
  if string.sub(position, 1, 1) == '!' then return redis.error_reply(string.sub(position, 2)) end
  return position
end

-- Reading.

-- history says what a partition has been through: what cursors are judged by.
local function history(p)
  local f = redis.call('HMGET', p.head, 'birth', 'mark', 'ends')
  local h = {ends = f[3] or '', known = {}}
  h.birth_ms, h.birth_seq = parse(f[1])
  if f[2] then h.mark_ms, h.mark_seq = parse(f[2]) end
  for tag, at in string.gmatch(h.ends, '(%w+):(%S+)') do
    local ms, seq = parse(at)
    h.known[tag] = {ms, seq}
  end
  h.known[p.tag] = {p.ms, p.seq}
  return h
end

-- survives reports whether the place of a timeline is part of the history that there is.
local function survives(h, tag, ms, seq)
  local last = h.known[tag]
  return last and not after(ms, seq, last[1], last[2])
end

local function verdict(p, h, log, tag, ms, seq, first)
  if first then
    local fields = first[2]
    for i = 1, #fields, 2 do
      if fields[i] == 'prev' then
        local loose, at = string.match(fields[i + 1], '^(~?)(.*)$')
        local m, s = parse(at)
        if not m then break end
        return after(m, s, ms, seq) and (loose == '~' and 'expired' or 'trimmed') or ''
      end
    end
    return 'trimmed' -- an entry that these functions did not write: what was before it cannot be told
  end
  local horizon = p.clock - p.set.age
  if ms < horizon and not (tag == p.tag and ms == p.ms and seq == p.seq) and redis.call('XLEN', log) == 0 then return 'expired' end
  return ''
end

-- page reads one log behind a cursor: its verdict, 1 where limit or bytes ended it, and its entries. An empty cursor reads
-- from the first entry on, and has no gap.
local function page(p, h, log, cursor, through, limit, bytes)
  local tag, at = string.match(cursor, '^(%w+)%.(.+)$')
  if cursor == '' then at = '0-0' end
  local ms, seq = parse(at)
  if tag and (after(h.birth_ms, h.birth_seq, ms, seq) or not survives(h, tag, ms, seq)
    or h.mark_ms and not after(ms, seq, h.mark_ms, h.mark_seq)) then
    return {'lost', 0}
  end
  local through_ms, through_seq = parse(through)
  local result, size, from = {'', 0}, 0, '(' .. at
  while true do
    local chunk = redis.pcall('XRANGE', log, from, '+', 'COUNT', math.min(limit + 1, 50))
    if chunk.err then
      if string.find(chunk.err, 'WRONGTYPE', 1, true) then return {'lost', 0} end -- the other pages are good
      error(chunk)
    end
    if tag and #result == 2 and from == '(' .. at then result[1] = verdict(p, h, log, tag, ms, seq, chunk[1]) end
    for _, entry in ipairs(chunk) do
      local m, s = parse(entry[1])
      if after(m, s, through_ms, through_seq) then return result end
      if #result - 2 >= limit or size >= bytes then
        result[2] = 1
        return result
      end
      result[#result + 1] = entry
      local fields = entry[2]
      for i = 1, #fields, 2 do
        if fields[i] ~= 'prev' then size = size + #fields[i + 1] end
      end
    end
    if #chunk < math.min(limit + 1, 50) then return result end
    from = '(' .. chunk[#chunk][1]
  end
end

-- replay: KEYS head log...; ARGV settings, then for each query: the number of its log (1 is the second key), the cursor,
-- the place up to which entries are wanted, the most entries, and the bytes that end the page. Replies the ends of the
-- closed timelines, and a page for each query.
local function replay(keys, argv)
  local p, err = open(keys[1], argv[1])
  if err then return err end
  local h = history(p)
  local reply = {header(p), h.ends}
  for a = 1, #argv - 1, 5 do
    reply[#reply + 1] = page(p, h, keys[1 + argv[a + 1]], argv[a + 2], argv[a + 3], tonumber(argv[a + 4]), tonumber(argv[a + 5]))
  end
  return reply
end

-- head: KEYS head; ARGV settings.
local function head(keys, argv)
  local p, err = open(keys[1], argv[1])
  if err then return err end
  return {header(p)}
end

-- The canary.

-- witness takes a position that a caller knows was given. Where the store has lost it, all cursors up to now are marked:
-- whoever held one may have missed what was lost with it.
local function witness(p, position)
  local tag, at = string.match(position, '^(%w+)%.(.+)$')
  local ms, seq = parse(at)
  local h = history(p)
  if survives(h, tag, ms, seq) or not after(ms, seq, h.birth_ms, h.birth_seq)
    or h.mark_ms and not after(ms, seq, h.mark_ms, h.mark_seq) then
    return -- nothing was lost, or whoever may have missed it is told already
  end
  if tag == p.tag then turn(p) end -- the history went back although nobody restarted
  if after(ms, seq, p.ms, p.seq) then p.ms, p.seq = ms, seq end
  local mark = place(p.ms, p.seq)
  p.seq = p.seq + 1
  redis.call('HSET', p.head, 'mark', mark, 'at', place(p.ms, p.seq))
  redis.call(relay, p.base .. 'signals', 'mark ' .. p.tag .. '.' .. place(p.ms, p.seq))
end

-- prune forgets the calls of lanes that have made none for two minutes.
local function prune(p)
  local last = tonumber(redis.call('HGET', p.head, 'pruned') or 0)
  if p.clock - last < 60000 then return end
  redis.call('HSET', p.head, 'pruned', string.format('%.0f', p.clock))
  local calls = redis.call('HGETALL', p.base .. 'calls')
  for i = 1, #calls, 2 do
    local at = string.match(calls[i + 1], '^%d+ (%d+)\n')
    if at and p.clock - at > 120000 then redis.call('HDEL', p.base .. 'calls', calls[i]) end
  end
end

-- canary: KEYS head calls keys:0 keys:1; ARGV settings "set" or "", channel, positions that were given... It moves the head
-- to the clock, and relays it to the channel. "set" makes the settings those of the partition.
local function canary(keys, argv)
  local p, err = open(keys[1], argv[1])
  if err then return err end
  if argv[2] == 'set' and p.settings ~= argv[1] then redis.call('HSET', p.head, 'settings', argv[1]) end
  for i = 4, #argv do witness(p, argv[i]) end
  if p.clock > p.ms then
    p.ms, p.seq = p.clock, 0
    redis.call('HSET', p.head, 'at', place(p.ms, 0))
  end
  prune(p)
  if argv[3] ~= '' then redis.call(relay, argv[3], header(p)) end
  return {header(p)}
end

-- Signals.

-- remaining drops the signals whose time is over, and returns the others.
local function remaining(p)
  local kept, good = redis.call('HGETALL', p.base .. 'kept'), {}
  for i = 1, #kept, 2 do
    if kept[i] ~= '' then
      if tonumber(kept[i + 1]) > p.clock then
        good[#good + 1] = kept[i]
      else
        redis.call('HDEL', p.base .. 'kept', kept[i])
      end
    end
  end
  return good
end

-- signal: KEYS head kept; ARGV settings message milliseconds most. Keeps a message for so long, 0 for not at all, and relays
-- it to all nodes. Replies how many these are; "full" where so many are kept already, and nothing was done.
local function signal(keys, argv)
  local p, err = open(keys[1], argv[1])
  if err then return err end
  local keep, message = tonumber(argv[3]), argv[2]
  if keep > 0 and message ~= '' then
    local last = redis.call('HGET', p.base .. 'kept', message)
    if not last and redis.call('HLEN', p.base .. 'kept') >= tonumber(argv[4]) and #remaining(p) >= tonumber(argv[4]) then
      return {header(p), 'full'}
    end
    -- Written in any case: replicas confirm what was written on the connection that waits for them.
    redis.call('HSET', p.base .. 'kept', message, string.format('%.0f', math.max(p.clock + keep, tonumber(last or 0))))
  end
  return {header(p), redis.call(relay, p.base .. 'signals', 'signal ' .. message)}
end

-- signals: KEYS head kept; ARGV settings. Replies the messages that are kept.
local function signals(keys, argv)
  local p, err = open(keys[1], argv[1])
  if err then return err end
  local reply = remaining(p)
  table.insert(reply, 1, header(p))
  return reply
end

-- lease: KEYS lease; ARGV holder milliseconds. Takes or prolongs a lease; replies {1} to its holder, {0} to others.
local function lease(keys, argv)
  local holder = redis.call('GET', keys[1])
  if holder and holder ~= argv[1] then return {0} end
  redis.call('SET', keys[1], argv[1], 'PX', argv[2])
  return {1}
end

redis.register_function('pushstream_@_publish', publish)
redis.register_function('pushstream_@_send', send)
redis.register_function{function_name = 'pushstream_@_replay', callback = replay, flags = {'allow-oom'}}
redis.register_function{function_name = 'pushstream_@_head', callback = head, flags = {'allow-oom'}}
redis.register_function{function_name = 'pushstream_@_canary', callback = canary, flags = {'allow-oom'}}
redis.register_function{function_name = 'pushstream_@_signal', callback = signal, flags = {'allow-oom'}}
redis.register_function{function_name = 'pushstream_@_signals', callback = signals, flags = {'allow-oom'}}
redis.register_function{function_name = 'pushstream_@_lease', callback = lease, flags = {'allow-oom'}}
