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

redis.register_function{function_name = 'pushstream_@_signal', callback = signal, flags = {'allow-oom'}}
redis.register_function{function_name = 'pushstream_@_signals', callback = signals, flags = {'allow-oom'}}
