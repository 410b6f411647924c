-- Gives a batch its places. KEYS: meta, log, nodes, then the keys of idempotency and, for what had a place in an
-- earlier epoch, `s:` and `t:` of its origin. ARGV: fence, epoch, node, first ticket, how many entries are kept, for
-- how many seconds keys are, the form, then for each dispatch: header, payload, seal, the number of its key in KEYS or
-- 0, that of its `s:` or 0, and its origin as `node epoch ticket`. What may fail is asked before the first place is
-- given.

local fence, epoch, me, ticket = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local HEAD, EACH = 7, 6

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'fence', 't:' .. me)
local seq = number(meta[2])
if not meta[1] or not seq or meta[3] ~= fence or redis.call('EXISTS', KEYS[2]) == 0 then return 'TURNED' end
if redis.call('HEXISTS', KEYS[3], me) == 0 then return 'BURIED' end
if meta[1] ~= epoch then return 'TURNED' end
local last = number(meta[4]) or 0
if ticket > last + 1 then return 'HOLE' end

local found = {}
for i = 4, #KEYS do
  local value = redis.pcall('GET', KEYS[i])
  if type(value) == 'string' then found[KEYS[i]] = value end
end

-- Whether the ticket of this origin was counted, here or in an earlier epoch.
local function is_counted(origin, gone)
  local node, from, number_of = origin:match('^(%w+) (%w+) (%d+)$')
  local field = from == epoch and 't:' .. node or 'o:' .. from .. ':' .. node
  local counted = number(redis.call('HGET', KEYS[1], field)) or 0
  local left_in, left_at = (gone or ''):match('^(%w+) (%d+)$')
  if left_in == from then counted = math.max(counted, number(left_at) or 0) end
  return number(number_of) <= counted
end

local answers, is_written = {}, false
for at = HEAD, #ARGV - 1, EACH do
  local header, payload, seal = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local key, again, origin = KEYS[tonumber(ARGV[at + 4])], tonumber(ARGV[at + 5]), ARGV[at + 6]
  local earlier, is_there = nil, false
  if key and found[key] then
    local from, place, by = found[key]:match('^(%w+) (%d+) (.+)$')
    if by == origin then
      is_there = true
    elseif is_name(from) and number(place) then
      earlier = from .. ' ' .. place
    end
  end
  if again > 0 and not earlier and not is_there then
    is_there = found[KEYS[again]] ~= nil or is_counted(origin, found[KEYS[again + 1]])
  end
  answers[#answers + 1] = earlier or ''
  if ticket > last then
    last = ticket
    if not earlier and not is_there then
      seq = seq + 1
      local entry = { 'v', ARGV[7], 'e', epoch, 'h', header, 'd', payload }
      if seal ~= '' then entry[9], entry[10] = 'm', seal end
      local added = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], text(seq) .. '-0', unpack(entry))
      if type(added) == 'table' and added.err then
        -- Somebody else wrote into the stream; only the first of a batch can meet that.
        if not is_written and added.err:find('equal or smaller', 1, true) then return 'TURNED' end
        return added
      end
      is_written = true
      if key then
        found[key] = epoch .. ' ' .. text(seq) .. ' ' .. origin
        redis.call('SET', key, found[key], 'EX', ARGV[6])
      end
      if again > 0 then
        found[KEYS[again]] = '1'
        redis.call('SET', KEYS[again], '1', 'EX', ARGV[6])
      end
    end
  end
  ticket = ticket + 1
end
redis.call('HSET', KEYS[1], 'seq', text(seq), 't:' .. me, text(last))
return answers
