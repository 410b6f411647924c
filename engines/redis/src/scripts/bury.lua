-- Takes nodes out of the register: those without a lease, or one that goes. KEYS: meta, log, nodes, then for each its
-- lease and `t:`. ARGV: fence, for how many seconds its last ticket is remembered, `1` when it goes, then the names.
-- Out: whom it took out.

local epoch = redis.call('HGET', KEYS[1], 'epoch')
local gone = {}
for i = 4, #ARGV do
  local name, lease, counted = ARGV[i], KEYS[2 * i - 4], KEYS[2 * i - 3]
  if ARGV[3] == '1' then redis.call('DEL', lease) end
  if redis.call('EXISTS', lease) == 0 and redis.call('HDEL', KEYS[3], name) == 1 then
    local last = redis.call('HGET', KEYS[1], 't:' .. name)
    if epoch and last then redis.call('SET', counted, epoch .. ' ' .. last, 'EX', ARGV[2]) end
    redis.call('HDEL', KEYS[1], 't:' .. name)
    gone[#gone + 1] = name
  end
end
return gone
