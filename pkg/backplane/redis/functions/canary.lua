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

redis.register_function{function_name = 'pushstream_@_canary', callback = canary, flags = {'allow-oom'}}
