-- ARGV: now, rate, burst, limit (webhooks), bytes_max, lease_milliseconds, watch_milliseconds.
-- Takes what is due from many lanes, fairly: everybody's share first, then what is left in order of waiting; a lane
-- gives no more than its tokens. Returns {shop, fence, items} a lane.
local now, limit, bytes_max = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
local lease, watch = tonumber(ARGV[6]), tonumber(ARGV[7])
rate, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('GET', WATCH) ~= '0' or redis.call('PTTL', WATCH) < watch / 2 then
  redis.call('SET', WATCH, '0', 'PX', watch)
end
-- a lane whose lease ended without an acknowledgement is simply due
local due = redis.call('ZRANGEBYSCORE', SCHEDULE, '-inf', now, 'LIMIT', 0, limit)
local share = math.max(1, math.floor(limit / math.max(1, #due)))
local wants, takes, taken, room = {}, {}, {}, limit
for i, shop in ipairs(due) do
  local interval, tokens_max = limits_of(shop)
  local full = full_at(shop, now)
  local length = redis.call('LLEN', 'lane:' .. shop)
  wants[i] = math.max(0, math.min(length, tokens_at(full, interval, tokens_max, now)))
  takes[i] = math.min(wants[i], share)
  room = room - takes[i]
  taken[shop] = true
  if length == 0 then
    redis.call('ZREM', SCHEDULE, shop)
    redis.call('HDEL', OWNERS, shop)
  elseif wants[i] == 0 then
    redis.call('ZADD', SCHEDULE, math.max(now + 1, due_at(full, interval, tokens_max, now)), shop)
    redis.call('HDEL', OWNERS, shop)
  end
end
for i = 1, #due do
  local extra = math.min(wants[i] - takes[i], room)
  takes[i], room = takes[i] + extra, room - extra
end
if room > 0 then
  for _, shop in ipairs(free_borrowers(now)) do
    if not taken[shop] and room > 0 then
      due[#due + 1] = shop
      takes[#due] = math.min(room, redis.call('LLEN', 'lane:' .. shop))
      room = room - takes[#due]
    end
  end
end
local claims, bytes, fence = {}, 0, nil
for i, shop in ipairs(due) do
  if takes[i] > 0 and bytes < bytes_max then
    local items = redis.call('LRANGE', 'lane:' .. shop, 0, takes[i] - 1)
    local kept = {}
    for _, item in ipairs(items) do
      if bytes >= bytes_max then break end
      kept[#kept + 1], bytes = item, bytes + #item
    end
    fence = fence or redis.call('INCR', 'lanes:fence') -- one for all: each lane keeps the newest it was leased under
    redis.call('HSET', OWNERS, shop, fence)
    redis.call('ZADD', SCHEDULE, now + lease, shop)
    claims[#claims + 1] = { shop, fence, kept }
  end
end
return claims
