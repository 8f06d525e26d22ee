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

redis.register_function('pushstream_@_publish', publish)
