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

local written, as -- the milliseconds of the place that was written last, and how: most places of a call have the same

-- place writes a place. Lua's own way of writing numbers is the quickest, and right for small ones.
local function place(ms, seq)
  if ms ~= written then written, as = ms, string.format('%.0f-', ms) end
  return as .. (seq < 1e14 and seq or string.format('%.0f', seq))
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
  local p = {
    head = head, base = string.sub(head, 1, -5), clock = t[1] * 1000 + math.floor(t[2] / 1000),
    lasts = {}, -- the last place of each log that this call has looked at
    dated = {}, -- the milliseconds from which on the age of a log's last event is counted
  }
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
