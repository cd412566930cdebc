-- ARGV: now, rate, burst, then shop, fence and count of every claim.
-- Only the holder of the lease may take its webhooks off the lane. Returns 1 or 0 a claim.
local now = tonumber(ARGV[1])
rate, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
local outcomes = {}
for i = 4, #ARGV, 3 do
  local shop, count = ARGV[i], tonumber(ARGV[i + 2])
  if redis.call('HGET', OWNERS, shop) ~= ARGV[i + 1] then
    outcomes[#outcomes + 1] = 0
  else
    local interval, tokens_max, borrow = limits_of(shop)
    redis.call('LTRIM', 'lane:' .. shop, count, -1)
    redis.call('HDEL', OWNERS, shop)
    -- borrowed webhooks leave the bucket empty, not in debt
    local full = math.min(full_at(shop, now) + count * interval, now + tokens_max * interval)
    redis.call('SET', 'lanes:bucket:' .. shop, number(full), 'PX', math.ceil(full - now) + 1000)
    if redis.call('EXISTS', 'lane:' .. shop) == 0 then
      redis.call('ZREM', SCHEDULE, shop)
      if borrow then redis.call('SREM', BORROWERS, shop) end
    else
      local due = due_at(full, interval, tokens_max, now)
      redis.call('ZADD', SCHEDULE, due, shop)
      if borrow then redis.call(due > now and 'SADD' or 'SREM', BORROWERS, shop) end
    end
    outcomes[#outcomes + 1] = 1
  end
end
return outcomes
