-- Closes the epoch at the newest place that is left, and begins another, unless that was done. KEYS: meta, log. ARGV:
-- fence, the next epoch, what the node knows (epoch, place), how many entries are kept, how many closed epochs, the
-- form, a seal.

local fence, next_epoch, known_epoch, known = ARGV[1], ARGV[2], ARGV[3], number(ARGV[4]) or 0
local now = stand(fence)
if now and not (now.epoch == known_epoch and known > now.seq) then return 'KEPT' end

local meta = {}
local told = redis.call('HGETALL', KEYS[1])
for i = 1, #told, 2 do meta[told[i]] = told[i + 1] end
local seq = number(meta.seq)
if not seq or not is_name(meta.epoch) then meta, seq = {}, nil end

local log = ends()
if log and not log.newest then
  -- An id that leaves no room for others.
  redis.call('UNLINK', KEYS[2])
  log = nil
end

local epoch, newest = meta.epoch, nil
if log then
  newest = math.max(log.newest, seq or 0)
  if not epoch then
    local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
    for i = 1, last and #last[2] or 0, 2 do
      if last[2][i] == 'e' and is_name(last[2][i + 1]) then epoch = last[2][i + 1] end
    end
    epoch = epoch or known_epoch
  end
else
  epoch = epoch or known_epoch
  newest = seq or 0
  if epoch == known_epoch then newest = math.max(newest, known) end
end

-- Only the newest of the closed epochs are remembered, and of these how far each node's tickets were counted.
local closed = {}
for record in (meta.closed or ''):gmatch('%S+') do closed[#closed + 1] = record end
closed[#closed + 1] = epoch .. ':' .. text(newest) .. ':' .. next_epoch
local most = tonumber(ARGV[6])
while #closed > most do table.remove(closed, 1) end
local is_closed, kept = {}, {}
for _, record in ipairs(closed) do is_closed[record:match('^(%w+):') or ''] = true end
for field, value in pairs(meta) do
  local node = field:match('^t:(%w+)$')
  local of = field:match('^o:(%w+):%w+$')
  if node then kept['o:' .. epoch .. ':' .. node] = value end
  if of and is_closed[of] then kept[field] = value end
end

local entry = { 'v', ARGV[7], 'e', next_epoch, 'turn', next_epoch }
if ARGV[8] ~= '' then entry[7], entry[8] = 'm', ARGV[8] end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], text(newest + 1) .. '-0', unpack(entry))
redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', next_epoch, 'seq', text(newest + 1), 'fence', fence, 'closed', table.concat(closed, ' '))
for field, value in pairs(kept) do redis.call('HSET', KEYS[1], field, value) end
return 'DONE'
