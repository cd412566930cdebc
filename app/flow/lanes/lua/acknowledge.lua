-- ARGV: rate, burst, then shop, fence, count, and how many of these were large, of every claim.
-- Only the holder of the lease may take its webhooks off the lane. Returns 1 or 0 a claim.
local shops = {}
for i = 3, #ARGV, 4 do shops[#shops + 1] = ARGV[i] end
local owners, outcomes, ours, counts, larges = answers('HMGET', OWNERS, shops), {}, {}, {}, {}
for i, shop in ipairs(shops) do
  local at = 4 * i
  if owners[i] == ARGV[at] then
    ours[#ours + 1], counts[#counts + 1], larges[#larges + 1] = shop, tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  end
  outcomes[i] = owners[i] == ARGV[at] and 1 or 0
end
go_on_when_full()
in_portions(ours, function(...) redis.call('HDEL', OWNERS, ...) end)

local own, buckets = own_limits(ours), answers('ZMSCORE', BUCKETS, ours)
local emptied, lanes, places, fulls = {}, {}, {}, {}
for i, shop in ipairs(ours) do
  local interval, tokens_max = pace(own[i])
  local count, length = counts[i], length_of(shop)
  -- borrowed webhooks leave the bucket empty, not in debt
  local full = math.min(full_at(buckets[i], interval, tokens_max) + count * interval, now + tokens_max * interval)
  fulls[#fulls + 1], fulls[#fulls + 2] = full, shop
  if length <= count then
    emptied[#emptied + 1], lanes[#lanes + 1] = shop, 'lane:' .. shop
  else
    redis.call('LTRIM', 'lane:' .. shop, count, -1)
    places[#places + 1], places[#places + 2] = due_at(full, interval, tokens_max), shop
    if larges[i] > 0 and redis.call('HINCRBY', LARGE, shop, -larges[i]) <= 0 then redis.call('HDEL', LARGE, shop) end
  end
end
in_portions(lanes, function(...) redis.call('DEL', ...) end)
in_portions(emptied, function(...) redis.call('ZREM', SCHEDULE, ...) end)
if redis.call('EXISTS', LARGE) == 1 then in_portions(emptied, function(...) redis.call('HDEL', LARGE, ...) end) end
in_portions(places, function(...) redis.call('ZADD', SCHEDULE, ...) end)
redis.call('ZREMRANGEBYSCORE', BUCKETS, '-inf', number(now))
in_portions(fulls, function(...) redis.call('ZADD', BUCKETS, ...) end)
return outcomes
