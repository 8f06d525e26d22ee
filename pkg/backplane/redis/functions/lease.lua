-- lease: KEYS lease; ARGV holder milliseconds. Takes or prolongs a lease; replies {1} to its holder, {0} to others.
local function lease(keys, argv)
  local holder = redis.call('GET', keys[1])
  if holder and holder ~= argv[1] then return {0} end
  redis.call('SET', keys[1], argv[1], 'PX', argv[2])
  return {1}
end

redis.register_function{function_name = 'pushstream_@_lease', callback = lease, flags = {'allow-oom'}}
