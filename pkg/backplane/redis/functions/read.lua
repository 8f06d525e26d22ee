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

redis.register_function{function_name = 'pushstream_@_replay', callback = replay, flags = {'allow-oom'}}
redis.register_function{function_name = 'pushstream_@_head', callback = head, flags = {'allow-oom'}}
