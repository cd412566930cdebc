-- ARGV: now, rate, burst, lane_length_max, seen_milliseconds (0: do not ask whether it was seen), watch_milliseconds,
-- then shop, webhook id and item of every webhook.
-- Returns one letter a webhook (q queued, d duplicate, f full), and when a drain must be woken, or nil.
local now, length_max, seen, watch = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
rate, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
local outcomes, soonest = {}, nil
for i = 7, #ARGV, 3 do
  local shop, seen_key = ARGV[i], 'seen:' .. ARGV[i] .. ':' .. ARGV[i + 1]
  if seen > 0 and not redis.call('SET', seen_key, '', 'NX', 'PX', seen) then
    outcomes[#outcomes + 1] = 'd'
  else
    local lane = 'lane:' .. shop
    local length = redis.call('RPUSH', lane, ARGV[i + 2])
    if length > length_max then
      redis.call('RPOP', lane)
      -- it is not in the lane, so its next delivery must not pass for a repeat
      if seen > 0 then redis.call('DEL', seen_key) end
      outcomes[#outcomes + 1] = 'f'
    else
      outcomes[#outcomes + 1] = 'q'
      if length == 1 then -- a longer lane is on the schedule already
        local interval, tokens_max, borrow = limits_of(shop)
        local due = due_at(full_at(shop, now), interval, tokens_max, now)
        redis.call('ZADD', SCHEDULE, 'NX', due, shop)
        if borrow and due > now then
          redis.call('SADD', BORROWERS, shop)
          due = now
        end
        if not soonest or due < soonest then soonest = due end
      end
    end
  end
end
local wake = false
if soonest then
  local watched = redis.call('GET', WATCH)
  if not watched or soonest < tonumber(watched) then
    -- the flag ends by itself: should whoever is told now die before waking a drain, the next webhook wakes one
    redis.call('SET', WATCH, number(soonest), 'PX', math.ceil(soonest - now) + watch)
    wake = number(soonest)
  end
end
return { table.concat(outcomes), wake }
