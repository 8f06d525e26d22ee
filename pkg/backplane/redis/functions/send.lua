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

redis.register_function('pushstream_@_send', send)
