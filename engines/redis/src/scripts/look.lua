-- How the realm stands. KEYS: meta, log. ARGV: fence.

local now = stand(ARGV[1])
if not now then return 'TURNED' end
return { now.epoch, text(now.seq), text(now.first), now.closed }
