-- What every script begins with. KEYS[1] is the hash `meta`, KEYS[2] the stream `log`.

-- Beyond this, numbers of Lua are no longer exact.
local MOST = 9007199254740000

local function number(text)
  if type(text) ~= 'string' or not text:match('^%d+$') or #text > 16 then return nil end
  local value = tonumber(text)
  if value > MOST then return nil end
  return value
end

local function text(value) return string.format('%.0f', value) end

local function is_name(value)
  return type(value) == 'string' and #value <= 32 and value:match('^%w+$') ~= nil
end

-- The newest place that the stream ever had and the oldest that it has; nil when there is no stream.
local function ends()
  if redis.call('EXISTS', KEYS[2]) == 0 then return nil end
  local told = redis.call('XINFO', 'STREAM', KEYS[2])
  local info = {}
  for i = 1, #told, 2 do info[told[i]] = told[i + 1] end
  local newest, below = info['last-generated-id']:match('^(%d+)%-(%d+)$')
  local first = '0'
  if info['length'] > 0 then first = info['recorded-first-entry-id']:match('^(%d+)') end
  return { newest = number(newest), is_whole = below == '0', first = number(first) or 0 }
end

-- How the realm stands, for whoever is connected to the server with this fence; nil when it has to be turned.
local function stand(fence)
  local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'fence', 'closed')
  local seq = number(meta[2])
  if not is_name(meta[1]) or not seq or meta[3] ~= fence then return nil end
  local log = ends()
  if not log or log.newest ~= seq or not log.is_whole then return nil end
  return { epoch = meta[1], seq = seq, first = log.first, closed = meta[4] or '' }
end
