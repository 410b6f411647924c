-- Says that a node lives, and how the realm stands. KEYS: meta, log, nodes, lease. ARGV: fence, node, milliseconds
-- of the lease, `1` to register it, what is told about it, how many nodes are told at most.

local now = stand(ARGV[1])
if not now then return 'TURNED' end
if ARGV[4] == '1' then
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[5])
elseif redis.call('HEXISTS', KEYS[3], ARGV[2]) == 0 then
  return 'BURIED'
end
redis.call('SET', KEYS[4], '1', 'PX', ARGV[3])
local most, nodes = tonumber(ARGV[6]), nil
if redis.call('HLEN', KEYS[3]) <= most then
  nodes = redis.call('HKEYS', KEYS[3])
else
  nodes = redis.call('HRANDFIELD', KEYS[3], most)
end
return { now.epoch, text(now.seq), text(now.first), now.closed, nodes }
