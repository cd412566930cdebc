-- Shared by the lane scripts. All times are milliseconds since 1970, given by the caller.
-- lane:{shop}          list    the webhooks waiting, oldest first; they stay until acknowledged
-- lanes:schedule       zset    each shop with something waiting, once, at the moment its lane may be taken next:
--                              when its bucket allows, or, while it is leased, when the lease ends
-- lanes:owners         hash    shop -> fence of the claim that holds the lease
-- lanes:bucket:{shop}  string  GCRA: the moment at which the shop's bucket would be full again
-- lanes:limits         hash    shop -> rate:burst:borrow, where a shop has limits of its own
-- lanes:borrowers      set     shops waiting for tokens that may take capacity nobody else waits for
-- lanes:watch          string  until when nobody needs to wake a drain: 0 while one runs, else when the next is booked
local SCHEDULE, OWNERS, LIMITS = 'lanes:schedule', 'lanes:owners', 'lanes:limits'
local BORROWERS, WATCH = 'lanes:borrowers', 'lanes:watch'
local rate, burst
local has_limits -- asked once a script, for most installations have none

-- the interval of one token in milliseconds, the burst, and whether the shop may borrow
local function limits_of(shop)
  if has_limits == nil then has_limits = redis.call('EXISTS', LIMITS) == 1 end
  local own = has_limits and redis.call('HGET', LIMITS, shop)
  if own then
    local own_rate, own_burst, borrow = string.match(own, '^([%d.]+):(%d+):?(%d*)$')
    own_rate, own_burst = tonumber(own_rate), tonumber(own_burst)
    if own_rate and own_rate > 0 and own_burst and own_burst >= 1 then
      return 1000 / own_rate, own_burst, borrow == '1'
    end
  end
  return 1000 / rate, burst, false
end

local function full_at(shop, now)
  return math.max(now, tonumber(redis.call('GET', 'lanes:bucket:' .. shop) or now))
end

local function due_at(full, interval, tokens_max, now)
  return math.max(now, full - (tokens_max - 1) * interval)
end

-- a thousandth of a token forgives the rounding of stored moments
local function tokens_at(full, interval, tokens_max, now)
  return math.floor(tokens_max - (full - now) / interval + 0.001)
end

local function number(value)
  return string.format('%.3f', value)
end

local function is_leased(shop, now)
  return redis.call('HEXISTS', OWNERS, shop) == 1 and tonumber(redis.call('ZSCORE', SCHEDULE, shop) or 0) > now
end

-- a shop that could borrow right now, or false; a few are tried, so that one call stays short
local function free_borrowers(now)
  local free = {}
  for _, shop in ipairs(redis.call('SRANDMEMBER', BORROWERS, 16)) do
    if not is_leased(shop, now) then free[#free + 1] = shop end
  end
  return free
end
